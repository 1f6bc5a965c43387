"""Models: which is used, which licences are accepted, and how far downloads are."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from alcoves.themed import ModelAdmin
from media import audit
from media.admin.paging import LookOnly
from media.errors import MediaError
from ml import selection
from ml.downloads import deciding
from ml.errors import UnknownModelError
from ml.models import Acceptance, Choice, Download, SearchModel
from ml.registry import licences, places, table
from ml.registry.specs import MEGABYTE, PIPELINES, ModelSpec


class ChoiceForm(forms.ModelForm[Choice]):
    """One of the models of the registry, and for speech a language it knows."""

    model = forms.ChoiceField(help_text="New work is done with it. It is downloaded when it is needed.")

    class Meta:
        model = Choice
        fields = ("pipeline", "model", "language")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        specs = [spec for spec in table.all_models() if selection.usable(spec)]
        self.fields["model"].choices = [(spec.id, label_of(spec)) for spec in specs]  # type: ignore[attr-defined]
        if "pipeline" in self.fields:
            self.fields["pipeline"] = forms.ChoiceField(choices=[(name, name) for name in PIPELINES])

    def clean(self) -> dict[str, Any]:
        """The same rules as everywhere: `ml.selection`."""
        super().clean()
        pipeline = table.find_pipeline(self.cleaned_data.get("pipeline") or self.instance.pipeline)
        if pipeline is None:
            return self.cleaned_data
        try:
            spec = selection.usable_model(pipeline, self.cleaned_data.get("model", ""))
            if language := self.cleaned_data.get("language"):
                selection.checked_language(spec, language)
        except UnknownModelError as error:
            raise ValidationError(error.message) from error
        return self.cleaned_data


@admin.register(Choice)
class ChoiceAdmin(ModelAdmin[Choice]):
    form = ChoiceForm
    list_display = ("pipeline", "model", "language", "chosen_by", "updated_at")
    list_select_related = ("chosen_by",)
    ordering = ("pipeline",)

    def get_readonly_fields(self, request: HttpRequest, obj: Choice | None = None) -> tuple[str, ...]:
        return ("pipeline",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Choice, form: Any, change: Any) -> None:
        """Through the flow, which also sends for the files."""
        if pipeline := table.find_pipeline(obj.pipeline):
            deciding.choose(pipeline, obj.model, language=obj.language or None, by=request.user, actor=None)
            obj.pk = Choice.objects.values_list("pk", flat=True).get(pipeline=pipeline)


class AcceptanceForm(forms.ModelForm[Acceptance]):
    """The licences that nothing is fetched without."""

    licence = forms.ChoiceField(widget=forms.RadioSelect)

    class Meta:
        model = Acceptance
        fields = ("licence",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        there = set(Acceptance.objects.values_list("licence", flat=True))
        open_ones = [one for one in licences.LICENCES if one.must_accept and one.id not in there]
        self.fields["licence"].choices = [  # type: ignore[attr-defined]
            (
                one.id,
                format_html(
                    '<a href="{}">{}</a>: {} Models: {}', one.url, one.title, one.terms, used_by(one.id)
                ),
            )
            for one in open_ones
        ]


@admin.register(Acceptance)
class AcceptanceAdmin(ModelAdmin[Acceptance]):
    form = AcceptanceForm
    list_display = ("licence", "terms", "accepted_by", "created_at")
    list_select_related = ("accepted_by",)

    @admin.display(description="terms")
    def terms(self, row: Acceptance) -> str:
        licence = licences.BY_ID.get(row.licence)
        return licence.terms if licence else "no model has it any more"

    def save_model(self, request: HttpRequest, obj: Acceptance, form: Any, change: Any) -> None:
        """Through the flow: what waited for it goes on."""
        obj.pk = deciding.accept(obj.licence, by=request.user, actor=None).pk

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It is given or taken back, and never another one."""
        return False


@admin.register(SearchModel)
class SearchModelAdmin(LookOnly):
    """How far another model of search is that was chosen."""

    list_display = ("model", "following", "left", "total", "before", "updated_at")
    readonly_fields = tuple(field.name for field in SearchModel._meta.fields)


@admin.register(Download)
class DownloadAdmin(LookOnly):
    list_display = (
        *("name", "pipeline", "model", "state", "progress", "attempts", "short_error"),
        *("started_at", "finished_at"),
    )
    list_filter = ("state", "pipeline")
    ordering = ("-updated_at",)
    readonly_fields = tuple(field.name for field in Download._meta.fields)
    actions = ("fetch_again",)

    def has_fetch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ml.change_download")

    @admin.display(description="progress")
    def progress(self, row: Download) -> SafeString | str:
        if not row.bytes_total:
            return f"{row.bytes_done // MEGABYTE} MB" if row.bytes_done else "-"
        share = 100 * row.bytes_done // row.bytes_total
        return format_html(
            '<progress max="100" value="{}"></progress> {} % of {} MB',
            share,
            share,
            row.bytes_total // MEGABYTE,
        )

    @admin.display(description="error")
    def short_error(self, row: Download) -> str:
        return row.error[:120]

    @admin.action(description="Download now", permissions=["fetch"])
    def fetch_again(self, request: HttpRequest, rows: QuerySet[Download]) -> None:
        for pipeline, model in set(rows.values_list("pipeline", "model")):
            spec = table.find_model(pipeline, model)
            try:
                text = (
                    deciding.fetch(spec, actor=audit.of(request))
                    if spec
                    else f"The registry has no model {model} any more."
                )
                messages.info(request, text)
            except MediaError as error:
                messages.error(request, error.message)


def label_of(spec: ModelSpec) -> str:
    where = "" if places.missing(spec) else ", here"
    return f"{spec.pipeline}: {spec.title} ({spec.disk_bytes // MEGABYTE} MB, {spec.accuracy or '-'}{where})"


def used_by(licence: str) -> str:
    return ", ".join(spec.title for spec in table.all_models() if spec.licence == licence)
