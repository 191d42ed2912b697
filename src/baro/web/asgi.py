"""The ASGI application that uvicorn serves."""

import os
import warnings

from django.core.asgi import get_asgi_application

from baro.config import config
from baro.gxp import require

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "baro.settings")

# WhiteNoise hands files to Django as synchronous iterators, which is how both mean it to be
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

if config().gxp:
    # whatever started this server: `baro web` has looked already, another one has not
    require("web")

application = get_asgi_application()
