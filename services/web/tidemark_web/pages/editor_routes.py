"""The addresses of the editor. Only managers get its forms."""

from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import Request
from fastapi.responses import Response
from starlette.routing import Route

from tidemark_web.pages.client import Api, ApiError
from tidemark_web.pages.editor_contracts import STEPS, adjust_contract, edit_contract, new_contract, take_step
from tidemark_web.pages.editor_entities import ENTITIES, delete_entity, edit_entity, show_entities
from tidemark_web.pages.editor_offers import OFFER_STEPS, make_offer, take_offer_step
from tidemark_web.pages.references import send_suggestions

Page = Callable[[Request, Api], Awaitable[Response]]


def editor_routes(page: Callable[[Page], Callable[[Request], Awaitable[Response]]]) -> list[Route]:
    """All routes of the editor; ``page`` makes an endpoint of a page."""

    def form(path: str, show: Page) -> Route:
        return Route(path, page(_for_managers(show)), methods=["GET", "POST"])

    contract = "/contracts/{reference:path}"
    return [
        Route("/choices/{source}", page(_for_managers(send_suggestions))),
        form("/contracts/new", new_contract),
        form(f"{contract}/edit", edit_contract),
        form(f"{contract}/adjust", adjust_contract),
        *(form(f"{contract}/{name}", partial(take_step, name)) for name in STEPS),
        form(f"{contract}/offer", make_offer),
        *(form(f"{contract}/offers/{{offer}}/{name}", partial(take_offer_step, name)) for name in OFFER_STEPS),
        *(Route(f"/{entity.path}", page(partial(show_entities, entity))) for entity in ENTITIES),
        *(form(f"/{entity.path}/new", partial(edit_entity, entity)) for entity in ENTITIES),
        *(form(f"/{entity.path}/{{id}}", partial(edit_entity, entity)) for entity in ENTITIES),
        *(form(f"/{entity.path}/{{id}}/delete", partial(delete_entity, entity)) for entity in ENTITIES),
    ]


def _for_managers(show: Page) -> Page:
    async def show_to_managers(request: Request, api: Api) -> Response:
        actor = request.state.actor
        if not actor.has_role("manager"):
            raise ApiError(403, "Role not sufficient", f"This page needs the role manager; you have {actor.role}.")
        return await show(request, api)

    return show_to_managers
