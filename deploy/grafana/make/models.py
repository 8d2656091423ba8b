"""The models: which run where, how fast, how sure, and what failed."""

from deploy.grafana.make.parts import (
    PER_SECOND,
    RATIO,
    SECONDS,
    Dashboard,
    row,
    series,
    stat,
    table,
)
from deploy.grafana.make.promql import (
    at,
    each,
    hour,
    none_is_zero,
    p99,
    quantiles,
    rate,
    share,
    total,
    worst,
)

_ANSWERS = "cartograph_answers_total"
_PADDED = rate("cartograph_model_padded_tokens_total", "task")
_TOKENS = rate("cartograph_model_tokens_total", "task")
_ITEMS = rate("cartograph_model_items_total", "task")


PAGE = Dashboard(
    name="models",
    title="Cartograph: models",
    about="Which bundles run where, how fast, how sure. Good: the device wanted, one bundle each.",
    workers=False,
    rows=(
        row(
            stat(
                "On another device than wanted",
                "Models of processes that gave their GPU up. Good: 0.",
                none_is_zero(total("cartograph_model_device", device="cpu", wanted="cuda")),
                bad=1,
                alert="CartographModelOnCpu",
            ),
            stat(
                "Derived by older bundles",
                "The graph is mixed while any is left. Good: 0, or falling during a backfill.",
                total("cartograph_model_outdated_items"),
                warn=1,
                alert="CartographGraphMixed",
            ),
            stat(
                "Questions waiting",
                "For an answer, over all processes. Good: returns to 0.",
                total("cartograph_model_waiting_items"),
                alert="CartographInferenceSlow",
            ),
            stat(
                "Texts set aside, last hour",
                "A model raised on them; answered with nothing. Good: 0.",
                none_is_zero(hour("cartograph_model_set_aside_total")),
                bad=1,
                alert="CartographModelFailures",
            ),
        ),
        row(
            table(
                "Bundles in use",
                "Good: one a task; two while a bundle is exchanged.",
                f"count by (task, bundle) ({at('cartograph_model_info')} == 1)",
            ),
            table(
                "Devices",
                "Good: device is what is wanted.",
                f"count by (task, device, wanted) ({at('cartograph_model_device')} == 1)",
                alert="CartographModelOnCpu",
            ),
            series(
                "Answers, by where they came from",
                "memory, store, or the model itself. Good: mostly memory and store once the "
                "catalog is read.",
                each(rate, _ANSWERS, "task, source"),
                unit=PER_SECOND,
                stacked=True,
            ),
            title="What runs",
        ),
        row(
            series(
                "A call of a model",
                "Many texts each. Good: p99 under 1 s on a GPU, seconds on a CPU.",
                *quantiles("cartograph_inference_seconds", 0.5, 0.99, by="task", named="{{task}}"),
                unit=SECONDS,
                alert="CartographInferenceSlow",
            ),
            series(
                "Waiting for a thread, p99",
                "Of a part. Good: near 0; else more threads, or a GPU.",
                each(p99, "cartograph_model_queue_seconds", "task"),
                unit=SECONDS,
                alert="CartographInferenceSlow",
            ),
            series(
                "Running a part, p99",
                "From strings to answers. Good: flat.",
                each(p99, "cartograph_model_run_seconds", "task"),
                unit=SECONDS,
            ),
            series(
                "Questions waiting",
                "At most 512 a partition: then the partition reads no more. Good: returns to 0.",
                each(total, "cartograph_model_waiting_items", "task"),
                alert="CartographInferenceSlow",
            ),
            title="Speed",
        ),
        row(
            series(
                "Texts and claims run",
                "Good: as many as are new.",
                each(rate, "cartograph_model_items_total", "task"),
                unit=PER_SECOND,
            ),
            series(
                "Tokens run",
                "Good: follows the texts.",
                each(rate, "cartograph_model_tokens_total", "task"),
                unit=PER_SECOND,
            ),
            series(
                "Padding",
                "Share of tokens that were run for nothing. Good: 0 on a CPU, under 40 % on a GPU.",
                (f"1 - {share(_TOKENS, _PADDED)}", "{{task}}"),
                unit=RATIO,
            ),
            series(
                "Texts a part",
                "Batch size. Good: 1 on a CPU, large on a GPU.",
                (share(_ITEMS, rate("cartograph_model_parts_total", "task")), "{{task}}"),
            ),
        ),
        row(
            series(
                "Median score",
                "Of new answers, by bundle. Good: flat; a step is another catalog or another "
                "bundle.",
                *quantiles(
                    "cartograph_model_score", 0.5, 0.1, by="task, bundle", named="{{bundle}}"
                ),
                unit=RATIO,
                maximum=1,
                alert="CartographModelDrift",
            ),
            series(
                "Drift of scores",
                "Population stability index of the newest scores against the first of the bundle. "
                "Good: under 0.1; act from 0.25 on. Nothing until 4,000 scores were given.",
                (worst("cartograph_model_score_drift", "task, bundle"), "{{bundle}}"),
                warn=0.1,
                bad=0.25,
                alert="CartographModelDrift",
            ),
            series(
                "Still to be derived again",
                "By stage. Good: 0, or falling during a backfill.",
                each(total, "cartograph_model_outdated_items", "stage"),
                alert="CartographGraphMixed",
            ),
            title="How sure",
        ),
        row(
            series(
                "Failed calls and texts set aside",
                "In the last hour. Good: 0.",
                each(hour, "cartograph_model_set_aside_total", "task", suffix="set aside"),
                each(
                    hour,
                    "cartograph_model_requests_total",
                    "task",
                    outcome="failed",
                    suffix="failed",
                ),
                alert="CartographModelFailures",
            ),
            series(
                "Halved batches and sessions given up",
                "In the last hour. Good: 0.",
                each(hour, "cartograph_model_out_of_memory_total", "task", suffix="out of memory"),
                each(hour, "cartograph_model_fallbacks_total", "task, reason"),
                alert="CartographModelOnCpu",
            ),
            series(
                "Exchanges of bundles",
                "In the last hour, by outcome. Good: no `failed`.",
                each(hour, "cartograph_model_reloads_total", "task, outcome"),
                alert="CartographModelFailures",
            ),
            title="What failed",
        ),
    ),
)
