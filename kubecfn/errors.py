"""Every error a person can cause, as one sentence with the remedy, and the exit code it ends in.

```
KubecfnError          1  something could not be done
├── WrongUseError     2  the command line or the configuration asks for what cannot be
│   └── ConfigError   2  one or several problems of one configuration file
├── DeclinedError     3  a person said no; nothing was changed
├── FileError         1  a file of ours cannot be read, written or trusted
├── AwsError          1  AWS refused or did not answer
└── StackError        1  a stack is in, or ended in, a state that needs a decision
```
"""

from __future__ import annotations

from dataclasses import dataclass


class KubecfnError(Exception):
    """What we were doing and what we found; `remedy` says what to do about it.

    Args:
        message: one sentence, with the path and the value where there is one.
        remedy: one sentence in the imperative, or empty when there is none.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class WrongUseError(KubecfnError):
    """The command line or the configuration asks for something that cannot be."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a configuration file.

    Attributes:
        path: where, as a person writes it: ``pools[0].labels``.
        value: what stands there, as text; empty when it is missing.
        reason: what is wrong and what is allowed, as one clause.
        remedy: what to write instead.
    """

    path: str
    value: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        found = f" = {self.value}" if self.value else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.path}{found}: {self.reason}.{remedy}"


class ConfigError(WrongUseError):
    """Everything wrong in one configuration file, shown at once.

    Args:
        source: the file's path as the person named it.
        problems: at least one.
    """

    def __init__(self, source: str, problems: list[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{source} has {count}:\n{lines}")
        self.source = source
        self.problems = problems


class DeclinedError(KubecfnError):
    """A person was asked and said no."""

    exit_code = 3


class FileError(KubecfnError):
    """A file of ours cannot be read, written or trusted."""


class AwsError(KubecfnError):
    """AWS refused a call or did not answer it.

    Args:
        message: what we were doing and AWS's own words.
        code: AWS's error code (``AccessDenied``), or botocore's class name when nothing was answered.
        remedy: what a person can do.
    """

    def __init__(self, message: str, *, code: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class StackError(KubecfnError):
    """A stack is in, or ended in, a state that needs a person's decision."""
