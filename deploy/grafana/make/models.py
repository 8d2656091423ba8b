"""The models: which run where, how fast, how sure, and what failed."""

from deploy.grafana.make.parts import (
    PER_SECOND,
    RATIO,
    SECONDS,
    Dashboard,
    at,
    quantile,
    rate,
    row,
    series,
    stat,
    table,
    total,
)

_ANSWERS = "cartograph_answers_total"
_GIVEN_UP = at("cartograph_model_device", device="cpu", wanted="cuda")
_PADDED = rate("cartograph_model_padded_tokens_total", "task")


def _hour(metric: str, by: str) -> str:
    return f"sum by ({by}) (increase({at(metric)}[1h]))"


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
                f"sum({_GIVEN_UP}) or vector(0)",
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
                f"sum(increase({at('cartograph_model_set_aside_total')}[1h])) or vector(0)",
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
                (rate(_ANSWERS, "task, source"), "{{task}} {{source}}"),
                unit=PER_SECOND,
                stacked=True,
            ),
            title="What runs",
        ),
        row(
            series(
                "A call of a model",
                "Many texts each. Good: p99 under 1 s on a GPU, seconds on a CPU.",
                (quantile(0.5, "cartograph_inference_seconds", "task"), "{{task}} p50"),
                (quantile(0.99, "cartograph_inference_seconds", "task"), "{{task}} p99"),
                unit=SECONDS,
                alert="CartographInferenceSlow",
            ),
            series(
                "Waiting for a thread, p99",
                "Of a part. Good: near 0; else more threads, or a GPU.",
                (quantile(0.99, "cartograph_model_queue_seconds", "task"), "{{task}}"),
                unit=SECONDS,
                alert="CartographInferenceSlow",
            ),
            series(
                "Running a part, p99",
                "From strings to answers. Good: flat.",
                (quantile(0.99, "cartograph_model_run_seconds", "task"), "{{task}}"),
                unit=SECONDS,
            ),
            series(
                "Questions waiting",
                "At most 512 a partition: then the partition reads no more. Good: returns to 0.",
                (total("cartograph_model_waiting_items", "task"), "{{task}}"),
                alert="CartographInferenceSlow",
            ),
            title="Speed",
        ),
        row(
            series(
                "Texts and claims run",
                "Good: as many as are new.",
                (rate("cartograph_model_items_total", "task"), "{{task}}"),
                unit=PER_SECOND,
            ),
            series(
                "Tokens run",
                "Good: follows the texts.",
                (rate("cartograph_model_tokens_total", "task"), "{{task}}"),
                unit=PER_SECOND,
            ),
            series(
                "Padding",
                "Share of tokens that were run for nothing. Good: 0 on a CPU, under 40 % on a GPU.",
                (
                    f"1 - {rate('cartograph_model_tokens_total', 'task')} / ({_PADDED} > 0)",
                    "{{task}}",
                ),
                unit=RATIO,
            ),
            series(
                "Texts a part",
                "Batch size. Good: 1 on a CPU, large on a GPU.",
                (
                    f"{rate('cartograph_model_items_total', 'task')} / "
                    f"({rate('cartograph_model_parts_total', 'task')} > 0)",
                    "{{task}}",
                ),
            ),
        ),
        row(
            series(
                "Median score",
                "Of new answers, by bundle. Good: flat; a step is another catalog or another "
                "bundle.",
                (quantile(0.5, "cartograph_model_score", "task, bundle"), "{{bundle}} p50"),
                (quantile(0.1, "cartograph_model_score", "task, bundle"), "{{bundle}} p10"),
                unit=RATIO,
                maximum=1,
                alert="CartographModelDrift",
            ),
            series(
                "Drift of scores",
                "Population stability index of the newest scores against the first of the bundle. "
                "Good: under 0.1; act from 0.25 on. Nothing until 4,000 scores were given.",
                (f"max by (task, bundle) ({at('cartograph_model_score_drift')})", "{{bundle}}"),
                warn=0.1,
                bad=0.25,
                alert="CartographModelDrift",
            ),
            series(
                "Still to be derived again",
                "By stage. Good: 0, or falling during a backfill.",
                (total("cartograph_model_outdated_items", "stage"), "{{stage}}"),
                alert="CartographGraphMixed",
            ),
            title="How sure",
        ),
        row(
            series(
                "Failed calls and texts set aside",
                "In the last hour. Good: 0.",
                (_hour("cartograph_model_set_aside_total", "task"), "{{task}} set aside"),
                (
                    "sum by (task) (increase("
                    f"{at('cartograph_model_requests_total', outcome='failed')}[1h]))",
                    "{{task}} failed",
                ),
                alert="CartographModelFailures",
            ),
            series(
                "Halved batches and sessions given up",
                "In the last hour. Good: 0.",
                (_hour("cartograph_model_out_of_memory_total", "task"), "{{task}} out of memory"),
                (_hour("cartograph_model_fallbacks_total", "task, reason"), "{{task}} {{reason}}"),
                alert="CartographModelOnCpu",
            ),
            series(
                "Exchanges of bundles",
                "In the last hour, by outcome. Good: no `failed`.",
                (
                    _hour("cartograph_model_reloads_total", "task, outcome"),
                    "{{task}} {{outcome}}",
                ),
                alert="CartographModelFailures",
            ),
            title="What failed",
        ),
    ),
)
