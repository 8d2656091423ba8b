"""PromQL of panels: selectors kept to the graph that is chosen, and what is worked out of them."""

from collections.abc import Callable

WORKER = 'worker=~"$worker"'
"""Keeps a selector to the workers that are chosen."""

Line = tuple[str, str]
"""A query and how its answers are named (`{{label}}`)."""


def at(metric: str, *where: str, **equal: str) -> str:
    """A selector kept to the graph, to labels that are equal, and to what else is said."""
    told = [f'{name}="{value}"' for name, value in {"graph": "$graph", **equal}.items()]
    return f"{metric}{{{', '.join((*told, *where))}}}"


def total(metric: str, by: str = "", *where: str, **equal: str) -> str:
    """A gauge added up by labels."""
    return f"{_sum(by)}({at(metric, *where, **equal)})"


def worst(metric: str, by: str = "", *where: str, **equal: str) -> str:
    """The highest of a gauge by labels."""
    return f"{f'max by ({by}) ' if by else 'max'}({at(metric, *where, **equal)})"


def rate(metric: str, by: str = "", *where: str, **equal: str) -> str:
    """Increase a second over the last moments, added up by labels."""
    return f"{_sum(by)}(rate({at(metric, *where, **equal)}[$__rate_interval]))"


def hour(metric: str, by: str = "", *where: str, **equal: str) -> str:
    """Increase in the last hour, added up by labels."""
    return f"{_sum(by)}(increase({at(metric, *where, **equal)}[1h]))"


def since_hour(metric: str, by: str) -> str:
    """As `hour`, of a counter that mostly begins above 0: a new one counts with all it has."""
    one = at(metric)
    return f"{_sum(by)}(({one} unless {one} offset 1h) or increase({one}[1h]))"


def quarter(metric: str, by: str = "", *where: str, **equal: str) -> str:
    """Increase in the last quarter of an hour, added up by labels."""
    return f"{_sum(by)}(increase({at(metric, *where, **equal)}[15m]))"


def quantile(q: float, metric: str, by: str = "", *where: str, **equal: str) -> str:
    """A quantile of a histogram over the last moments, by labels."""
    inner = rate(f"{metric}_bucket", f"le, {by}" if by else "le", *where, **equal)
    return f"histogram_quantile({q}, {inner})"


def p99(metric: str, by: str = "", *where: str, **equal: str) -> str:
    """What one in a hundred of a histogram exceeds."""
    return quantile(0.99, metric, by, *where, **equal)


def share(part: str, whole: str) -> str:
    """A part of a whole, nothing where the whole is 0."""
    return f"{part} / ({whole} > 0)"


def none_is_zero(expr: str) -> str:
    """The expression, 0 where it has no answer."""
    return f"{expr} or vector(0)"


def top(count: int, expr: str) -> str:
    """The highest answers alone."""
    return f"topk({count}, {expr})"


def legend(by: str) -> str:
    """The labels an answer is named by: "stage, topic" -> "{{stage}} {{topic}}"."""
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", "))


def each(
    of: Callable[..., str], metric: str, by: str, *where: str, suffix: str = "", **equal: str
) -> Line:
    """A line for each answer, named by its labels and what is said besides."""
    return of(metric, by, *where, **equal), f"{legend(by)} {suffix}".strip()


def quantiles(metric: str, *qs: float, by: str = "", named: str = "") -> tuple[Line, ...]:
    """Lines of several quantiles: p50, p99, each after `named`."""
    return tuple((quantile(q, metric, by), f"{named} p{q * 100:g}".strip()) for q in qs)


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
