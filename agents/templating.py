"""Chat templates are programs of strangers: they run in a process of their own, within limits.

`python -m cotgap.agents.templating` is that process. It knows jinja2 and no model, so that it
starts in a tenth of a second; what a template sees is what transformers shows it.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

SECONDS = 5  # of computing, for all conversations together
PATIENCE = 60  # seconds on a clock, as where the machine is busy
MEMORY = 1 << 30  # bytes
LENGTH = 1 << 20  # characters of a rendered conversation


class TemplateError(Exception):
    """A template that cannot be rendered; says why."""


class RefusedError(TemplateError):
    """A template that raised an error of its own, as for a role that it does not know."""


def render(template: str, calls: Sequence[Mapping[str, Any]]) -> list[str | TemplateError]:
    """Each call's text, or why there is none; a call holds the template's variables.

    Raises `TemplateError` where the template has to be stopped.
    """
    return list(_render(json.dumps({"template": template, "calls": list(calls)}, default=str)))


@functools.lru_cache(maxsize=64)
def _render(job: str) -> tuple[str | TemplateError, ...]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=job,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    except subprocess.TimeoutExpired as error:
        raise TemplateError(f"it takes more than {PATIENCE} s") from error
    if done.returncode < 0:
        raise TemplateError(f"it takes more than {SECONDS} s of computing")
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise TemplateError(f"it ended its process: {last[0][:200]}")
    kinds = {"refused": RefusedError, "failed": TemplateError}
    return tuple(
        text if kind == "text" else kinds[kind](text) for kind, text in json.loads(done.stdout)
    )


def _serve() -> None:
    """Answer one job from standard input."""
    import resource

    job = json.loads(sys.stdin.read())
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = [_answer(job["template"], call) for call in job["calls"]]
    sys.stdout.write(json.dumps(answers))


def _answer(template: str, variables: Mapping[str, Any]) -> tuple[str, str]:
    """("text", it), ("refused", why) or ("failed", why)."""
    import random

    import jinja2

    random.seed(0)  # templates may ask for random choices; prompts are the same every time
    try:
        parts, length = [], 0
        for part in _compiled(template).generate(**variables):
            parts.append(part)
            length += len(part)
            if length > LENGTH:
                return "failed", f"it writes more than {LENGTH} characters"
    except MemoryError:
        return "failed", f"it takes more than {MEMORY >> 20} MiB"
    except jinja2.TemplateSyntaxError as error:
        return "failed", f"line {error.lineno}: {error.message}"
    except jinja2.TemplateError as error:
        return "refused", str(error)[:200]
    except Exception as error:  # whatever the template does
        return "failed", f"{type(error).__name__}: {error}"[:200]
    return "text", "".join(parts)


@functools.lru_cache(maxsize=1)
def _compiled(template: str) -> Any:
    """The template in the environment that transformers gives it."""
    import datetime

    import jinja2
    import jinja2.ext
    import jinja2.sandbox

    class Generation(jinja2.ext.Extension):
        """`{% generation %}` marks what a model wrote; nothing else becomes of it."""

        tags = {"generation"}  # noqa: RUF012 (jinja2 reads it from the class)

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_as_is"), [], [], body).set_lineno(line)

        def _as_is(self, caller: Any) -> Any:
            return caller()

    def tojson(
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: Any = None,
        sort_keys: bool = False,
    ) -> str:
        return json.dumps(
            value,
            ensure_ascii=ensure_ascii,
            indent=indent,
            separators=separators,
            sort_keys=sort_keys,
        )

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = datetime.datetime.now().strftime
    return environment.from_string(template)


if __name__ == "__main__":
    _serve()
