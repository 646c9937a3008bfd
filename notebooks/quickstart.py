# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Quickstart: from raw registry files to a result
#
# Three simulated registries, with known truth, from their raw files to a time-dependent Cox model. The same steps run
# from the command line with `cohort demo`.

# %%
import tempfile

import cohort as co

simulated = co.simulate_registries(n=400, seed=1, folder=tempfile.mkdtemp())
sources = [co.read_source(path, source=name) for name, path in simulated.sources.items()]
registry = co.harmonize(sources, co.read_dictionary())
registry.unmapped

# %% [markdown]
# Nothing was guessed: values without a rule are listed above, and every variable has a status beside it.

# %%
graded = co.grade_icans(registry.neuro_assessment, population="adult")
episodes = co.icans_episodes(graded, gap_days=3)
mri = co.mri_findings(registry.mri_exam, registry.mri_finding, window=(0, 30))

study = (
    co.Study(registry)
    .require("first CAR-T infusion", "infusion_number == 1")
    .require("adult at infusion", "age_years >= 18")
)
data = study.link(graded, episodes, mri)
study.attrition

# %% [markdown]
# Proportions of MRI findings are of those imaged, by the grade that leaves MRI out.

# %%
table = co.imaging_table(data)
table

# %% [markdown]
# ## The naive analysis is refused
#
# An MRI finding of days 0–30 is not known on day 0. Used as a baseline covariate it gives the patients who lived long
# enough to be scanned their survival for free.

# %%
os_ = co.endpoint("overall_survival", data)
try:
    co.cox(os_, "flair_deep + age_years", data)
except co.errors.ImmortalTimeError as error:
    print(error)

# %% [markdown]
# ## The valid design is the short one

# %%
tv = co.counting_process(os_, exposures={"flair_deep_seen": "flair_deep_first_day"})
fit = co.cox(tv, "flair_deep_seen + age_years")
fit

# %%
co.kaplan_meier(os_, by="costimulation", data=data).plot()

# %%
assert fit.glance()["n"].iloc[0] > 0
assert len(data) == study.attrition["n_after"].iloc[-1]
