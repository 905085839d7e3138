"""The web application: the routes of MONAI Label that are needed, and no others."""

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from monailabel.config import settings
from monailabel.endpoints import login
from monailabel.interfaces.app import MONAILabelApp
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from apps.monailabel.refusal import RefusalError
from apps.monailabel.routes.datastore import labels, reading
from apps.monailabel.routes.inference import inference
from apps.monailabel.routes.training import training
from apps.monailabel.waiting import WaitingLine

MAX_UPLOAD_BYTES = 512 * 2**20
logger = logging.getLogger("uvicorn.error")


def server_app(app: MONAILabelApp, line: WaitingLine, hosts: list[str]) -> FastAPI:
    """The web application.

    Args:
        app: what answers.
        line: where registrations wait.
        hosts: names under which clients may call it; pages of other sites are refused.
    """
    web = FastAPI(title="Registration bundles", openapi_url=None, docs_url=None, redoc_url=None)
    web.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    web.add_middleware(Guard)
    web.add_exception_handler(RefusalError, _refused)
    for router in (reading(app), inference(app, line), labels(app), training(app)):
        web.include_router(router)
    if settings.MONAI_LABEL_AUTH_ENABLE:
        web.include_router(login.router)
    return web


async def _refused(request: Request, refusal: RefusalError) -> JSONResponse:
    logger.info(str(refusal.__cause__ or refusal))
    return JSONResponse({"detail": str(refusal)}, refusal.status)


class Guard:
    """Refuses pages of other sites and huge uploads before anything is read of them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        found = _obstacle(Headers(scope=scope)) if scope["type"] == "http" else None
        if found is None:
            await self.app(scope, receive, send)
        else:
            await JSONResponse({"detail": found[1]}, found[0])(scope, receive, send)


def _obstacle(headers: Headers) -> tuple[int, str] | None:
    """Status and reason of a refusal."""
    origin = headers.get("origin", "")
    if origin and origin.partition("://")[2] != headers.get("host"):
        return 403, "pages of other sites are not answered"
    length = headers.get("content-length", "" if "transfer-encoding" in headers else "0")
    if not length.isdigit():
        return 411, "expected the header content-length"
    if int(length) > MAX_UPLOAD_BYTES:
        return 413, f"expected at most {MAX_UPLOAD_BYTES} bytes, got {length}"
    return None
