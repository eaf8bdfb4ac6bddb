"""The customer's page of a statement, and its PDF (SPEC 7, 10)."""

import asyncio
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from tidemark_web.pages.client import Json, customer_contract_path
from tidemark_web.pages.customer import CustomerRequest, render_customer
from tidemark_web.pages.customer_statement_view import build_statement
from tidemark_web.pages.rendering import pdf_response
from tidemark_web.pages.report_pdf import write_customer_statement_pdf


async def show_statement(request: Request, customer: CustomerRequest) -> Response:
    """The figures of a settled period, those of today, and what has changed in between."""
    answer = await _load(request, customer)
    view = build_statement(answer, customer.language)
    return render_customer(request, "customer_statement.html", customer, statement=answer["statement"], **view)


async def send_statement(request: Request, customer: CustomerRequest) -> Response:
    """The same as PDF."""
    answer = await _load(request, customer)
    statement, view = answer["statement"], build_statement(answer, customer.language)
    name = customer.session["organization_name"]
    content = await asyncio.to_thread(write_customer_statement_pdf, statement, view, name, customer.language)
    return pdf_response(
        content, f"{statement['contract_code']} {statement['number']} {statement['figures']['start']}.pdf"
    )


async def _load(request: Request, customer: CustomerRequest) -> Json:
    reference, start = request.path_params["reference"], request.path_params["period_start"]
    answer: Json = await customer.api.get(customer_contract_path(reference, f"/statements/{quote(start, safe='')}"))
    return answer
