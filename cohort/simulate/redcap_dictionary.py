"""The data dictionary of the simulated REDCap project, in REDCap's 18 columns."""

from __future__ import annotations

import pandas as pd

from cohort.dictionary.redcap_template import COLUMNS
from cohort.simulate.imaging import CODES, SEQUENCES

_YES_NO = "1, Yes | 0, No | -99, Unknown"
_UNIT = "1, mg/L | 2, mg/dL"
_ASKED = "[nd_ice_done] = '1'"

# name, type, label, choices, validation, min, max, branching logic
Field = tuple[str, str, str, str, str, str, str, str]


def _text(
    name: str, label: str, validation: str = "", low: str = "", high: str = "", logic: str = ""
) -> Field:
    return (name, "text", label, "", validation, low, high, logic)


def _choice(name: str, label: str, choices: str, kind: str = "radio", logic: str = "") -> Field:
    return (name, kind, label, choices, "", "", "", logic)


_FORMS: dict[str, tuple[Field, ...]] = {
    "baseline": (
        _text("record_id", "Record ID"),
        _text("crid", "CIBMTR recipient ID, if reported there"),
        _text("inf_date", "Date of infusion", "date_ymd"),
        _choice("product", "Product",
                "1, axi-cel | 2, tisa-cel | 3, liso-cel | 4, brexu-cel | 5, ide-cel | 6, cilta-cel"),
        _choice("disease", "Disease", "1, LBCL | 2, FL | 3, MCL | 4, CLL | 5, B-ALL | 6, Multiple myeloma"),
        _text("dose", "Cell dose, million", "number", "0"),
        _text("age", "Age at infusion, years", "number", "0", "110"),
        _choice("sex", "Sex", "1, Male | 2, Female"),
        _choice("ecog", "ECOG", "0, 0 | 1, 1 | 2, 2 | 3, 3 | 4, 4 | -99, Unknown"),
        _text("n_lines", "Prior lines", "integer", "0", "20"),
        _choice("prior_hct", "Prior HCT", _YES_NO),
        _choice("cns_prior", "Prior CNS disease", _YES_NO),
        _choice("bridging", "Bridging therapy", "0, None | 1, Systemic | 2, Radiation | -99, Unknown"),
        _choice("ld", "Lymphodepletion", "1, Fludarabine and cyclophosphamide | 2, Bendamustine"),
        _text("bl_ldh", "LDH, U/L", "number"),
        _text("bl_creat", "Creatinine, mg/dL", "number"),
        _text("bl_plt", "Platelets, 10^9/L", "number"),
        _text("bl_crp", "CRP", "number"),
        _choice("bl_crp_unit", "Unit of CRP", _UNIT),
        _text("bl_ferritin", "Ferritin, ng/mL", "number"),
        _text("bl_anc", "ANC, /uL", "number"),
        _text("bl_hb", "Hemoglobin, g/dL", "number"),
        _choice("bl_mri", "Brain MRI before infusion", _YES_NO),
        _text("fu_date", "Date of last contact", "date_ymd"),
        _choice("fu_status", "Status at last contact", "1, Alive | 2, Dead"),
        _text("fu_death_date", "Date of death", "date_ymd", logic="[fu_status] = '2'"),
        _choice("fu_cod", "Cause of death",
                "1, Relapse or progression | 2, CRS | 3, Neurotoxicity | 4, IEC-HS | 5, Infection"
                " | 6, Second malignancy | 7, Organ failure", logic="[fu_status] = '2'"),
        _choice("fu_relapse", "Relapse or progression", _YES_NO),
        _text("fu_relapse_date", "Date of relapse or progression", "date_ymd", logic="[fu_relapse] = '1'"),
    ),
    "neuro_daily": (
        _text("nd_crid", "CIBMTR recipient ID (piped)"),
        _text("nd_date", "Date", "date_ymd"),
        _choice("nd_sedated", "Sedated", _YES_NO),
        _choice("nd_ice_done", "ICE asked", _YES_NO),
        _text("nd_ice_ori", "Orientation", "integer", "0", "4", _ASKED),
        _text("nd_ice_nam", "Naming", "integer", "0", "3", _ASKED),
        _text("nd_ice_cmd", "Command", "integer", "0", "1", _ASKED),
        _text("nd_ice_wri", "Writing", "integer", "0", "1", _ASKED),
        _text("nd_ice_att", "Attention", "integer", "0", "1", _ASKED),
        _text("nd_ice_total", "ICE total", "integer", "", "", _ASKED),
        _choice("nd_loc", "Consciousness (depressed, no other cause)",
                "0, Alert | 1, Awakens spontaneously | 2, To voice"
                " | 3, Only to tactile stimulus | 4, Unarousable | -88, Not assessed"),
        _choice("nd_seizure", "Seizure", "0, None | 1, Resolves rapidly | 2, Prolonged or repetitive"),
        _choice("nd_motor", "Deep focal weakness", _YES_NO),
        _choice("nd_edema", "Cerebral edema on imaging", "0, None | 1, Focal | 2, Diffuse | -88, No imaging"),
        _choice("nd_icp_done", "Signs of raised pressure looked for", _YES_NO),
        _choice("nd_icp", "Signs of raised pressure",
                "1, Posturing | 2, Abducens palsy | 3, Papilledema | 4, Cushing triad",
                "checkbox", "[nd_icp_done] = '1'"),
        _choice("nd_tremor", "Tremor", _YES_NO),
        _choice("nd_headache", "Headache", _YES_NO),
        _choice("nd_facial_palsy", "Facial palsy", _YES_NO),
        _choice("nd_hallucinations", "Hallucinations", _YES_NO),
    ),
    "crs_daily": (
        _text("cd_crid", "CIBMTR recipient ID (piped)"),
        _text("cd_date", "Date", "date_ymd"),
        _text("cd_temp", "Highest temperature, C", "number", "34", "43"),
        _choice("cd_anticytokine", "Antipyretic, tocilizumab or steroid given", _YES_NO),
        _choice("cd_hypotension", "Hypotension", _YES_NO),
        _choice("cd_pressor", "Vasopressors", "0, None | 1, One | 2, One with vasopressin | 3, Multiple"),
        _choice("cd_oxygen", "Oxygen",
                "0, Room air | 1, Nasal cannula up to 6 L/min | 2, High flow | 3, Face mask"
                " | 4, Non-rebreather | 5, Venturi | 6, Positive pressure"),
        _text("cd_flow", "Flow, L/min", "number", "0", "60"),
    ),
    "lab_daily": (
        _text("lb_crid", "CIBMTR recipient ID (piped)"),
        _text("lb_date", "Date", "date_ymd"),
        _text("lb_crp", "CRP", "number"),
        _choice("lb_crp_unit", "Unit of CRP", _UNIT),
        _text("lb_ferritin", "Ferritin, ng/mL", "number"),
        _text("lb_ldh", "LDH, U/L", "number"),
        _text("lb_creat", "Creatinine, mg/dL", "number"),
        _text("lb_plt", "Platelets, 10^9/L", "number"),
    ),
    "mri_exam": (
        _text("me_crid", "CIBMTR recipient ID (piped)"),
        _text("me_no", "Number of the examination", "integer", "1"),
        _choice("me_done", "Examination made", "1, Yes | 0, No"),
        _choice("me_reason", "Why not",
                "1, Not indicated | 2, Unstable | 3, Contraindicated", logic="[me_done] = '0'"),
        _text("me_date", "Date", "date_ymd", logic="[me_done] = '1'"),
        _text("me_field", "Field strength, T", "number", logic="[me_done] = '1'"),
        _choice("me_contrast", "Contrast given", _YES_NO, logic="[me_done] = '1'"),
        _choice("me_indication", "Indication",
                "1, Baseline | 2, Symptoms | 3, Scheduled", logic="[me_done] = '1'"),
        _choice("me_blinded", "Reader blinded to the grade", _YES_NO, logic="[me_done] = '1'"),
        _choice("me_quality", "Quality", "1, Diagnostic | 2, Limited", logic="[me_done] = '1'"),
        _choice("me_seq", "Sequences",
                " | ".join(f"{k}, {name.upper()}" for k, name in enumerate(SEQUENCES, 1)),
                "checkbox", "[me_done] = '1'"),
    ),
    "mri_finding": (
        _text("mf_crid", "CIBMTR recipient ID (piped)"),
        _text("mf_exam", "Number of the examination", "integer", "1"),
        _choice("mf_code", "Finding",
                " | ".join(f"{k}, {code}" for k, code in enumerate(CODES, 1)), "dropdown"),
        _choice("mf_reader", "Reader", "A, Reader A | B, Reader B"),
        _choice("mf_presence", "Presence", "0, Absent | 1, Present | 2, Indeterminate | 3, Not assessable"),
        _choice("mf_change", "Change from prior", "0, No prior | 1, New | 2, Unchanged | 3, Resolved"),
    ),
    "treatment": (
        _text("tx_crid", "CIBMTR recipient ID (piped)"),
        _choice("tx_drug", "Drug",
                "1, Tocilizumab | 2, Anakinra | 3, Dexamethasone | 4, Methylprednisolone | 5, Levetiracetam"),
        _text("tx_start", "First day", "date_ymd"),
        _text("tx_stop", "Last day", "date_ymd"),
        _text("tx_dose_mg", "Dose, mg", "number"),
        _choice("tx_route", "Route", "1, Oral | 2, Intravenous | 3, Subcutaneous"),
        _choice("tx_intent", "Intent", "1, Prophylaxis | 2, Therapy"),
        _choice("tx_indication", "Indication", "1, CRS | 2, ICANS | 3, Seizure"),
    ),
    "event": (
        _text("ev_crid", "CIBMTR recipient ID (piped)"),
        _choice("ev_type", "Event",
                "1, Movement disorder | 2, Cranial nerve palsy | 3, Stroke | 4, Peripheral neuropathy"
                " | 5, Infection | 6, Second malignancy"),
        _text("ev_date", "Date", "date_ymd"),
        _text("ev_grade", "CTCAE grade", "integer", "1", "5"),
        _choice("ev_related", "Related to CAR-T", "1, Related | 2, Indeterminate | 3, Unrelated"),
        _text("ev_text", "Detail"),
    ),
    "cognition": (
        _text("cg_crid", "CIBMTR recipient ID (piped)"),
        _choice("cg_visit", "Visit", "1, Baseline | 2, Day 30 | 3, Day 90 | 4, Month 6 | 5, Month 12"),
        _text("cg_date", "Date", "date_ymd"),
        _text("cg_moca", "MoCA", "integer"),
        _text("cg_mmse", "MMSE", "integer"),
        _text("cg_promis", "PROMIS cognitive function, T score", "number"),
    ),
}  # fmt: skip

_IDENTIFIERS = frozenset({"record_id", "crid"})
_FREE_TEXT = frozenset({"ev_text"})


def redcap_dictionary() -> pd.DataFrame:
    """Return the project's data dictionary, one row per field.

    Returns
    -------
    DataFrame
        REDCap's 18 columns, all text.

    Examples
    --------
    >>> frame = redcap_dictionary()
    >>> frame.shape[1], frame.iloc[0, 0]
    (18, 'record_id')
    """
    rows = []
    for form, fields in _FORMS.items():
        for name, kind, label, choices, validation, low, high, logic in fields:
            identifier = "y" if name in _IDENTIFIERS or name.endswith("_crid") or name in _FREE_TEXT else ""
            calculated = "@CALCTEXT([crid])" if name.endswith("_crid") else ""
            rows.append(
                (
                    name,
                    form,
                    "",
                    kind,
                    label,
                    choices,
                    "",
                    validation,
                    low,
                    high,
                    identifier,
                    logic,
                    *[""] * 5,
                    calculated,
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))
