"""How the operators' console looks: the settings of its theme."""

from typing import Any

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Alcoves",
    "SITE_HEADER": "Alcoves",
    "SITE_SUBHEADER": "Console. Times are UTC",
    "SITE_SYMBOL": "photo_library",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/img/alcove.svg"}],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": "alcoves.console.backups.badge",
    "BORDER_RADIUS": "8px",
    "STYLES": ["/static/css/console.css", "/static/css/console-models.css"],
    "SCRIPTS": [],
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "alcoves.console.pages.navigation",
    },
}
