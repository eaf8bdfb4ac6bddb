// Parses AsyncAPI documents, and prints the errors and warnings of the parser. Exits with 1 if there are any.
import { readFile } from "node:fs/promises";
import { DiagnosticSeverity, Parser } from "@asyncapi/parser";

const parser = new Parser();
for (const path of process.argv.slice(2)) {
  const { diagnostics } = await parser.parse(await readFile(path, "utf8"), { source: path });
  const problems = diagnostics.filter(({ severity }) => severity <= DiagnosticSeverity.Warning);
  for (const { range, code, message, path: location } of problems) {
    console.error(`${path}:${range.start.line + 1} ${code} ${location.join(".")}: ${message}`);
    process.exitCode = 1;
  }
}
