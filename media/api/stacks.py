"""Stacks: who is in one, who stands for it, and taking it apart."""

from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import stacks
from media.api import describing
from media.api.access import find_library
from media.api.files import page_of
from media.api.libraries import checked
from media.api.shapes import StackInput, StackPageShape, StackQuery, StackShape
from media.models import File, Library, Stack


class OneStack(APIView):
    """One stack."""

    @extend_schema(
        operation_id="libraries_stacks_retrieve", parameters=[StackQuery], responses=StackPageShape
    )
    def get(self, request: Request, library_id: UUID, stack_id: UUID) -> Response:
        """A page of its live members by name. Give nextCursor back as `cursor` for the next one."""
        library, _ = find_library(request, library_id)
        stack = find_stack(library, stack_id)
        given = checked(StackQuery(data=request.query_params))
        files = File.objects.live().filter(library=library, stack=stack)
        page = page_of(request, library, files, "name", given.get("cursor"))
        return Response({**describing.stack(stack), **page})

    @extend_schema(request=StackInput, responses=StackShape)
    def patch(self, request: Request, library_id: UUID, stack_id: UUID) -> Response:
        """Choose who stands for it. A stack that was taken apart is together again."""
        library, _ = find_library(request, library_id, write=True)
        stack = find_stack(library, stack_id)
        key = checked(StackInput(data=request.data))["primary"]
        stacks.choose(stack, key)
        return Response(describing.stack(find_stack(library, stack_id)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, library_id: UUID, stack_id: UUID) -> Response:
        """Take it apart: its members stay, each by itself, and are not put together again unless asked."""
        library, _ = find_library(request, library_id, write=True)
        stacks.take_apart(find_stack(library, stack_id))
        return Response(status=204)


def find_stack(library: Library, key: UUID) -> Stack:
    found: Stack | None = Stack.objects.filter(library=library, pk=key).first()
    if found is None:
        raise Http404(
            "There is no such stack in this library. Its files may have been renamed, moved or deleted."
        )
    return found
