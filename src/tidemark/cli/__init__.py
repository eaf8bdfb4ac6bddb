"""The ``tidemark`` command: one module for each subcommand."""

import typer

from tidemark.cli import (
    api,
    backup,
    check,
    contract,
    customer_link,
    dlq,
    env,
    export,
    forget,
    import_,
    intake,
    migrate,
    notification,
    offer,
    organization,
    publish,
    rate_card,
    rebuild,
    report,
    rule,
    serve,
    sql,
    statement,
    status,
    team,
    token,
    topics,
    up,
    verify,
)

# The command prints its own messages and tables.
app = typer.Typer(
    help="Watches service contracts: counts work as it is logged, and warns before a limit is reached.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(intake.app, name="intake")
app.add_typer(organization.app, name="organization")
app.add_typer(team.app, name="team")
app.add_typer(rate_card.app, name="rate-card")
app.add_typer(contract.app, name="contract")
app.add_typer(offer.app, name="offer")
app.add_typer(report.app, name="report")
app.add_typer(rule.app, name="rule")
app.add_typer(notification.app, name="notification")
app.add_typer(statement.app, name="statement")
app.add_typer(customer_link.app, name="customer-link")
app.add_typer(token.app, name="token")
app.add_typer(dlq.app, name="dlq")
app.add_typer(export.app, name="export")
app.command()(forget.forget)
app.command("import")(import_.import_file)
app.command()(publish.publish)
app.command()(status.status)
app.command()(check.check)
app.command()(sql.sql)
app.command()(api.api)
app.command()(verify.verify)
app.command()(rebuild.rebuild)
app.command()(up.up)
app.command()(env.env)
app.command()(serve.serve)
app.command()(migrate.migrate)
app.command()(topics.topics)
app.command()(backup.backup)
app.command()(backup.restore)
