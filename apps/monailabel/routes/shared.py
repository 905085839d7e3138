"""What the routes share: who may call them, and the JSON that they take."""

import json
from typing import Any

from fastapi import Depends
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC

from apps.monailabel.refusal import RefusalError

user = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))
annotator = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR))
admin = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))
FILE_TYPE = "application/octet-stream"


def json_object(text: str, name: str) -> dict[str, Any]:
    """The JSON object that a client has sent.

    Raises:
        RefusalError: 422 for anything else.
    """
    try:
        content = json.loads(text or "{}")
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise RefusalError(422, f"{name}: expected a JSON object, got {text[:80]!r}")
    return content
