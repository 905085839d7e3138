from .registration.registrar import register as register
from .registration.result import Registration as Registration

__version__: str
