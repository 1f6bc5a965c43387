"""The door of `/api/admin/`: for staff with the permission. For all others there is nothing behind it."""

from typing import Any, ClassVar

from django.http import Http404
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView


class StaffView(APIView):
    """404 for who may not do this, staff or not; 401 or 403 for who has not logged in."""

    see: ClassVar[str]
    """The permission to look."""
    act: ClassVar[str] = ""
    """The permission to change something; without one, that to look."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        user: Any = request.user
        wanted = self.see if request.method in SAFE_METHODS else self.act or self.see
        if not (user.is_staff and user.has_perm(wanted)):
            raise Http404(
                "There is nothing here for you. If there should be, ask an administrator for the role."
            )
