"""A statement as a page and as PDF, with what has changed since (SPEC 10)."""

import asyncio
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from tidemark_web.pages.client import Api, contract_path
from tidemark_web.pages.contracts import hour_style
from tidemark_web.pages.formatting import contract_page, name_statement
from tidemark_web.pages.rendering import pdf_response, render
from tidemark_web.pages.report_pdf import write_statement_pdf
from tidemark_web.pages.report_tables import is_number, show
from tidemark_web.pages.statement_tables import build_tables, list_facts


async def show_statement(request: Request, api: Api) -> Response:
    """The statement of a period: its figures, the figures today, and the restatements between."""
    reference, start = request.path_params["reference"], request.path_params["period_start"]
    answer = await api.get(contract_path(reference, f"/statements/{quote(start, safe='')}"))
    statement = answer["statement"]
    path = contract_page(statement["contract_code"])
    return render(
        request,
        "statement.html",
        answer=answer,
        statement=statement,
        title=name_statement(statement),
        facts=list_facts(answer),
        tables=build_tables(answer),
        contract_path=path,
        pdf_path=f"{path}/statements/{statement['figures']['start']}.pdf",
        show=lambda cell, **more: show(cell, "minutes", **more),
        is_number=is_number,
        hours=hour_style(request),
    )


async def send_statement(request: Request, api: Api) -> Response:
    """The same as PDF; ``internal=no`` leaves out accounts that are not billable."""
    reference, start = request.path_params["reference"], request.path_params["period_start"]
    answer = await api.get(contract_path(reference, f"/statements/{quote(start, safe='')}"))
    internal = request.query_params.get("internal") != "no"
    content = await asyncio.to_thread(write_statement_pdf, answer, internal=internal)
    statement = answer["statement"]
    name = f"{statement['contract_code']} statement {statement['number']} {statement['figures']['start']}.pdf"
    return pdf_response(content, name)
