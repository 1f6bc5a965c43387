"""Django as WSGI: what the ASGI front hands everything else to."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alcoves.settings.embedded")
application = get_wsgi_application()
