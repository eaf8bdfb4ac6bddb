"""``tidemark rule``: when to notify, and whom; what a rule would do, and why it did or did not."""

from pathlib import Path
from typing import Annotated

import typer

from tidemark.cli.body_file import InputError, set_members
from tidemark.cli.connection import (
    MAX_BODY_SIZE,
    BodyFile,
    connect,
    print_details,
    print_list,
    print_result,
    read_body,
    require_values,
)
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, MaxSize
from tidemark.cli.output import Column, print_records
from tidemark.cli.references import (
    ORGANIZATIONS,
    RULES,
    Names,
    change_entity,
    delete_entity,
    find_all,
    find_contract,
    find_entity,
    replace_names,
)
from tidemark.cli.rule_tables import (
    EXPLAIN_COLUMNS,
    PREVIEW_COLUMNS,
    describe_offer,
    describe_receiver,
    describe_trigger,
    list_explained,
)
from tidemark_client import Client, Entity, Json, contract_path

app = typer.Typer(help="Notification rules: when to notify, and whom.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="RULE", help="The rule's name or id.")]
ForContract = Annotated[
    str | None, typer.Option("--contract", metavar="CODE", help="For this contract only: as an exception.")
]
ForOrganization = Annotated[
    str | None, typer.Option("--organization", metavar="NAME", help="For this organization only: as an exception.")
]
_FILE_HELP = (
    "The rule in YAML or JSON, as the HTTP API takes it; - is standard input. Scope and receivers can have the name "
    "of an organization or team, or the code of a contract, as their id."
)


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help=_FILE_HELP)],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Create nothing; show what the rule would notify of at once.")
    ] = False,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a rule from a file, and print its id and name.

    It notifies at once of what is already reached, unless the file has `existing: skip`.
    """
    with connect(data_dir) as api:
        body = replace_names(api, read_body(file, max_size))
        rule = api.post(f"{RULES.path}?dry_run={str(dry_run).lower()}", body)
    if dry_run:
        print_records(rule.body["items"], PREVIEW_COLUMNS, as_json=as_json, as_csv=False)
    else:
        print_result(rule, f"{rule.id} {rule.body['name']}", as_json=as_json)


@app.command()
def edit(
    rule: Reference,
    file: BodyFile = None,
    *,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A new value, such as remind_every_days=7; can be repeated."),
    ] = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change a rule with a file that has the whole rule, or with single values."""
    require_values(file, set_, hint="--set NAME=VALUE")
    with connect(data_dir) as api:
        current = find_entity(api, RULES, rule)
        body = read_body(file, max_size) if file else set_members(current.body, set_ or [])
        entity = change_entity(api, RULES, current, replace_names(api, body))
    print_result(entity, f"{entity.body['name']} is at version {entity.body['version']}.", as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List all rules. Where a name repeats, the rule with the narrowest scope applies to a contract."""
    with connect(data_dir) as api:
        rules = sorted(api.list(RULES.path), key=lambda rule: rule["name"])
        names = Names(api)
        scopes = {rule["id"]: names.describe_scope(rule["scope"]) for rule in rules if not (as_json or as_csv)}
    columns = (
        Column("Scope", lambda rule: scopes[rule["id"]]),
        Column("Trigger", lambda rule: describe_trigger(rule["trigger"])),
        Column("On", "enabled"),
    )
    print_list(rules, columns, as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    rule: Reference, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Show a rule."""
    with connect(data_dir) as api:
        body, names = find_entity(api, RULES, rule).body, Names(api)
        receivers = [describe_receiver(item, names.find("teams", item.get("id"))) for item in body["receivers"]]
        scope = names.describe_scope(body["scope"])
    days = body["remind_every_days"]
    details = {
        "Rule": f"{body['name']} ({'on' if body['enabled'] else 'off'})",
        "Scope": scope,
        "Trigger": describe_trigger(body["trigger"]),
        "Receivers": "\n".join(receivers),
        "Offers": describe_offer(body["offer"]),
        "Reminders": f"every {days} days" if days else "none",
        "Resolved": "notifies" if body["notify_resolved"] else "does not notify",
        "Subject": body["subject"] or "",
        "Opening": body["opening"] or "",
        "Id": body["id"],
    }
    print_details(body, {name: text for name, text in details.items() if text}, as_json=as_json, as_csv=as_csv)


@app.command()
def enable(
    rule: Reference,
    *,
    contract: ForContract = None,
    organization: ForOrganization = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Switch a rule on, for all contracts in its scope, or for one contract or organization."""
    with connect(data_dir) as api:
        entity, scope = _switch(api, rule, contract, organization, enabled=True)
    print_result(entity, f"{entity.body['name']} is on for {scope}.", as_json=as_json)


@app.command()
def disable(
    rule: Reference,
    *,
    contract: ForContract = None,
    organization: ForOrganization = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Switch a rule off, for all contracts in its scope, or for one contract or organization."""
    with connect(data_dir) as api:
        entity, scope = _switch(api, rule, contract, organization, enabled=False)
    print_result(entity, f"{entity.body['name']} is off for {scope}.", as_json=as_json)


@app.command()
def delete(rule: Reference, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Delete a rule. If it was an exception, the rule with the wider scope applies again."""
    with connect(data_dir) as api:
        entity = delete_entity(api, RULES, rule)
        scope = Names(api).describe_scope(entity.body["scope"])
    print_result(entity, f"{entity.body['name']} ({scope}) is deleted.", as_json=as_json)


@app.command()
def preview(
    code: Annotated[str, typer.Argument(help="The contract's code or id.")],
    rule: Annotated[str | None, typer.Argument(help="The name or id of a rule.")] = None,
    *,
    file: Annotated[Path | None, typer.Option(help="A rule that is not created yet, in a file.")] = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show when a rule would have notified of a contract, and whom, along its work so far."""
    require_values(file, rule, hint="the name of a RULE")
    with connect(data_dir) as api:
        reference: Json = (
            {"rule": replace_names(api, read_body(file, max_size))}
            if file
            else {"rule_id": find_entity(api, RULES, rule or "").id}
        )
        items = api.post("rules/preview", {**reference, "contract": find_contract(api, code).id}).body["items"]
    print_records(items, PREVIEW_COLUMNS, as_json=as_json, as_csv=as_csv)


@app.command()
def explain(
    code: Annotated[str, typer.Argument(help="The contract's code or id.")],
    *,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show for each rule why it notified of a contract, or what is missing until it does."""
    with connect(data_dir) as api:
        rules = list(api.list(f"{contract_path(find_contract(api, code).id)}/notifications/explain", limit=None))
    print_records(list(list_explained(rules)), EXPLAIN_COLUMNS, as_json=as_json, as_csv=False, document=rules)


@app.command("test")
def send_test(
    rule: Reference,
    *,
    email: Annotated[str | None, typer.Option(help="Send to this address instead of the rule's receivers.")] = None,
    contract: Annotated[
        str | None, typer.Option(metavar="CODE", help="The contract whose figures the message shows.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send a message of a rule that is marked as a test. The real one is still sent later."""
    with connect(data_dir) as api:
        id_ = find_entity(api, RULES, rule).id
        body = {"email": email, "contract": contract and find_contract(api, contract).id}
        result = api.post(f"{RULES.path}/{id_}/test", body)
    notification_id = result.body["notification_id"]
    message = f"A test is on its way. `tidemark notification show {notification_id}` shows its deliveries."
    print_result(result, message, as_json=as_json)


def _switch(
    api: Client, reference: str, contract: str | None, organization: str | None, *, enabled: bool
) -> tuple[Entity[Json], str]:
    """Switch a rule, and return it with its scope in words.

    For a contract or an organization, the rule with this scope is switched. If there is none, a copy of the rule that
    applies there becomes the exception.
    """
    if contract and organization:
        raise typer.BadParameter("Give either --contract or --organization.")
    if not contract and not organization:
        current = find_entity(api, RULES, reference)
    else:
        # An id names the rule, and with it all rules of its name.
        named = find_all(api, RULES, find_all(api, RULES, reference)[0]["name"])
        scopes = _list_scopes(api, contract, organization)
        applicable = [rule for scope in scopes for rule in named if _is_scope(rule["scope"], scope)]
        if not applicable:
            raise InputError(f"The rule {reference!r} does not apply to {contract or organization}.")
        if not _is_scope(applicable[0]["scope"], scopes[0]):
            copy = {name: value for name, value in applicable[0].items() if name not in {"id", "version"}}
            entity = api.post(RULES.path, copy | {"scope": scopes[0], "enabled": enabled})
            return entity, Names(api).describe_scope(entity.body["scope"])
        current = find_entity(api, RULES, applicable[0]["id"])
    scope = Names(api).describe_scope(current.body["scope"])
    if current.body["enabled"] == enabled:
        return current, scope
    return change_entity(api, RULES, current, current.body | {"enabled": enabled}), scope


def _list_scopes(api: Client, contract: str | None, organization: str | None) -> list[Json]:
    """The scopes that include a contract or an organization, the narrowest first."""
    scopes: list[Json] = []
    if contract:
        body = find_contract(api, contract).body
        scopes += [{"kind": "contract", "id": body["id"]}, {"kind": "organization", "id": body["organization_id"]}]
    elif organization:
        scopes.append({"kind": "organization", "id": find_entity(api, ORGANIZATIONS, organization).id})
    return [*scopes, {"kind": "global"}]


def _is_scope(scope: Json, other: Json) -> bool:
    return (scope["kind"], scope.get("id")) == (other["kind"], other.get("id"))
