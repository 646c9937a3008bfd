"""The study file: what a study is, as pydantic models that refuse unknown keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="lower case letters, digits, _")]
Window = tuple[int, int]
Times = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]


class Spec(BaseModel):
    """Base of all parts: unknown keys are errors, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Disclosure(Spec):
    """Counts below ``min_cell`` are hidden in the tables of counts; 0 switches this off.

    Covered are ``table_one``, ``grades`` and ``describe``, and the findings of ``imaging_table``, each with its
    figure and its numbers in ``results.json``. Not covered, and to be judged before a report leaves the house:
    the numbers imaged and assessable, curves with their risk tables, regressions, fourfold tables, the flow
    diagram, the sentences and notes of the report, ``audit.json``, and the rows of patients in ``data/``.
    """

    min_cell: int = Field(default=0, ge=0, le=100)


class StudyInfo(Spec):
    """Who the study is, its seed and its confidence level."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    question: str = ""
    seed: int = Field(default=1, ge=0)
    conf_level: float = Field(default=0.95, gt=0.5, lt=1)
    disclosure: Disclosure = Disclosure()


class SourceSpec(Spec):
    """One extract: where it is, which mapping reads it, and the hash it must have (as the manifest prints it)."""

    path: str
    mapping: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class DataSpec(Spec):
    """The sources by id, in order of precedence: the first keeps an infusion that two report."""

    sources: Annotated[dict[Identifier, SourceSpec], Field(min_length=1)]
    dictionary: str | None = None


class Grading(Spec):
    """How ICANS is graded; the arguments of ``co.grade_icans``, ``co.icans_episodes`` and ``Study.link``."""

    population: Literal["adult", "pediatric", "by_age"] = "adult"
    unscanned: Literal["clinical", "unknown"] = "clinical"
    reported: Literal["fill", "ignore"] = "fill"
    gap_days: int = Field(default=3, ge=1)
    open_days: Literal["widen", "ignore"] = "widen"
    window: Window = (0, 30)


class Imaging(Spec):
    """How MRI findings are summarised per patient; the arguments of ``co.mri_findings``."""

    window: Window = (0, 30)
    rule: Literal["any", "worst", "first", "nearest"] = "any"


class FlowRule(Spec):
    """One step of the flow diagram: a condition to require, or one to exclude."""

    label: str
    require: str | None = None
    exclude: str | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> FlowRule:
        if (self.require is None) == (self.exclude is None):
            msg = "give either `require` or `exclude`, exactly one of them"
            raise ValueError(msg)
        return self

    @property
    def expression(self) -> str:
        """The condition as written."""
        return self.require if self.require is not None else str(self.exclude)


class Summary(Spec):
    """A patient's summary of a long table: its peak, first, last value or count in a window of days."""

    table: Literal["lab", "neuro_assessment", "crs_assessment", "treatment", "event", "cognition", "mri_exam"]
    variable: str = "value"
    where: str | None = None
    take: Literal["max", "min", "first", "last", "count"] = "max"
    window: Window | None = None
    before: str | None = None
    label: str = ""
    unit: str = ""


class Variable(Spec):
    """A variable derived from columns of the linked data by an expression of the closed language."""

    derive: str
    label: str = ""
    unit: str = ""


class EndpointSpec(Spec):
    """A named endpoint, with its landmark, its horizon and its time-dependent exposures."""

    endpoint: Literal[
        "overall_survival", "progression_free_survival", "nrm", "relapse", "icans", "late_neurotoxicity"
    ]
    landmark_day: int | None = Field(default=None, ge=1)
    horizon_day: int | None = Field(default=None, ge=1)
    exposures: dict[Identifier, str] = {}
    label: str = ""


class Analysis(Spec):
    """What every analysis has: a title for its caption, a note for its readers, and the guards it acknowledges."""

    title: str = ""
    note: str = ""
    acknowledge: tuple[str, ...] = ()


class TableOneSpec(Analysis):
    """Characteristics by group."""

    kind: Literal["table_one"]
    by: str | None = None
    variables: tuple[str, ...]
    smd: bool = True
    p: bool = False
    continuous: Literal["median", "mean"] = "median"


class ImagingTableSpec(Analysis):
    """Findings by grade, of those imaged and assessable, with the heat map."""

    kind: Literal["imaging_table"]
    by: str = "icans_grade_imaging_blind"
    findings: tuple[str, ...] | None = None


class MriTimingSpec(Analysis):
    """Day of each MRI relative to ICANS onset."""

    kind: Literal["mri_timing"]


class GradesSpec(Analysis):
    """Maximum ICANS grade by group, undeterminable grades apart."""

    kind: Literal["grades"]
    by: str = "product"


class KaplanMeierSpec(Analysis):
    """Kaplan-Meier curves."""

    kind: Literal["kaplan_meier"]
    endpoint: str
    by: str | None = None
    at: Times = (100, 180, 365)


class IncidenceSpec(Analysis):
    """Cumulative incidence with competing events."""

    kind: Literal["cumulative_incidence"]
    endpoint: str
    by: str | None = None
    outcome: str | None = None
    at: Times = (30, 100, 365)


class CoxSpec(Analysis):
    """Cox regression, cause-specific when the endpoint has several events."""

    kind: Literal["cox"]
    endpoint: str
    formula: str
    event: str | None = None
    strata: str | None = None
    cluster: str | None = None
    ties: Literal["efron", "breslow"] = "efron"
    penalty: Literal["firth"] | None = None
    check_proportional_hazards: bool = True


class OddsRatioSpec(Analysis):
    """Logistic regression."""

    kind: Literal["odds_ratio"]
    formula: str
    method: Literal["ml", "firth"] = "ml"
    cluster: str | None = None


class TwoByTwoSpec(Analysis):
    """A fourfold table with all its measures."""

    kind: Literal["two_by_two"]
    exposure: str
    outcome: str


class MantelHaenszelSpec(Analysis):
    """An exposure and an outcome over strata, pooled after Mantel and Haenszel."""

    kind: Literal["mantel_haenszel"]
    exposure: str
    outcome: str
    strata: Annotated[tuple[str, ...], Field(min_length=1)]


class DescribeSpec(Analysis):
    """Counts and summaries of single variables, as numbers to check against a publication."""

    kind: Literal["describe"]
    variables: tuple[str, ...]


AnalysisSpec = Annotated[
    TableOneSpec
    | ImagingTableSpec
    | MriTimingSpec
    | GradesSpec
    | KaplanMeierSpec
    | IncidenceSpec
    | CoxSpec
    | OddsRatioSpec
    | TwoByTwoSpec
    | MantelHaenszelSpec
    | DescribeSpec,
    Field(discriminator="kind"),
]


class Figures(Spec):
    """File formats, resolution and width of the figures."""

    formats: tuple[Literal["pdf", "svg", "png"], ...] = ("pdf", "svg", "png")
    dpi: int = Field(default=300, ge=72, le=1200)


class Tables(Spec):
    """File formats of the tables."""

    formats: tuple[Literal["docx", "html", "xlsx", "tex", "md", "csv"], ...] = ("docx", "html", "xlsx")


class Outputs(Spec):
    """What a run writes beside the report."""

    figures: Figures = Figures()
    tables: Tables = Tables()


class StudyFile(Spec):
    """A whole study file."""

    cohort_spec: Literal[1]
    study: StudyInfo
    data: DataSpec
    grading: Grading = Grading()
    imaging: Imaging = Imaging()
    flow: dict[Identifier, FlowRule] = {}
    summaries: dict[Identifier, Summary] = {}
    variables: dict[Identifier, Variable] = {}
    endpoints: dict[Identifier, EndpointSpec] = {}
    analyses: dict[Identifier, AnalysisSpec] = {}
    outputs: Outputs = Outputs()
