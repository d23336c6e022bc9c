"""Helm charts, rendered by the real Helm: what becomes of them, and what stops before anything is sent."""

from __future__ import annotations

import json
import tarfile

import pytest

from kubecfn.charts import Helm, extra_objects
from kubecfn.charts.helm import find_helm
from kubecfn.errors import FileError, KubecfnError, WrongUseError

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  annotations: {to: {{ .Capabilities.KubeVersion.Version | quote }}}
spec:
  replicas: {{ .Values.replicas }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: {{ required "who is missing" .Values.who }}}
rules: []
"""
HOOK = """\
apiVersion: v1
kind: {kind}
metadata:
  name: hooked
  annotations: {{"helm.sh/hook": "{event}"}}
"""
CHART = "namespaces: [{name: shop}]\ncharts: [{name: shop, chart: web, namespace: shop, values: VALUES, values_files: [FILES]}]"


def asked(values: str = "{who: me}", files: str = "") -> str:
    return CHART.replace("VALUES", values).replace("FILES", files)


def objects_of(manifests, name="chart-shop"):
    return next(manifest.objects for manifest in manifests if manifest.name == name)


def test_a_chart_becomes_plain_objects_in_its_namespace(helm, configured, chart, tmp_path) -> None:
    """Rendered for the cluster's release; what is namespaced lies in the chart's namespace, what is not in none."""
    chart(values="replicas: 2\n", web=DEPLOYMENT)

    deployment, role = sorted(
        objects_of(extra_objects(configured(asked()), tmp_path, helm=helm)), key=lambda one: one["kind"], reverse=True
    )

    assert deployment["metadata"] == {"name": "shop", "namespace": "shop", "annotations": {"to": "v1.36.3"}}
    assert deployment["spec"] == {"replicas": 2}
    assert role["metadata"] == {"name": "me"}


def test_the_configurations_values_win_over_files_and_the_later_file_over_the_earlier(
    helm, configured, chart, tmp_path
) -> None:
    """Chart < first file < second file < values."""
    chart(values="replicas: 1\nwho: chart\n", web=DEPLOYMENT)
    (tmp_path / "one.yaml").write_text("replicas: 2\nwho: one\n")
    (tmp_path / "two.yaml").write_text("replicas: 3\n")

    def rendered(values, files):
        found = objects_of(extra_objects(configured(asked(values, files)), tmp_path, helm=helm))
        by_kind = {one["kind"]: one for one in found}
        return by_kind["Deployment"]["spec"]["replicas"], by_kind["ClusterRole"]["metadata"]["name"]

    assert rendered("{}", "one.yaml, two.yaml") == (3, "one")
    assert rendered("{replicas: 4}", "one.yaml") == (4, "one")


def test_an_archive_is_a_chart_too_and_the_same_inputs_give_the_same_bytes(helm, configured, chart, tmp_path) -> None:
    """Another process, another moment: the same objects in the same order."""
    folder = chart(values="replicas: 1\n", web=DEPLOYMENT)
    with tarfile.open(tmp_path / "web-1.2.3.tgz", "w:gz") as archive:
        archive.add(folder, "web")
    packed = configured(asked().replace("chart: web", "chart: web-1.2.3.tgz"))

    texts = {json.dumps(objects_of(extra_objects(one, tmp_path, helm=helm))) for one in (packed, configured(asked()))}

    assert len(texts) == 1


def test_definitions_come_with_the_chart(helm, configured, chart, tmp_path) -> None:
    """Helm lays a chart's crds/ itself; here they are objects like all others."""
    crds = chart(web=DEPLOYMENT) / "crds"
    crds.mkdir()
    (crds / "thing.yaml").write_text(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.x.io}\n"
    )

    found = objects_of(extra_objects(configured(asked()), tmp_path, helm=helm))

    assert "CustomResourceDefinition" in {one["kind"] for one in found}


@pytest.mark.parametrize(
    ("values", "template", "says"),
    [
        ("{}", DEPLOYMENT, "who is missing"),
        ("{who: me}", "a: {{ .Values.who\n", "unclosed action"),
        ("{who: me}", "a: {{ nothing }}\n", 'function "nothing" not defined'),
        ("{who: me}", 'a: {{ fail "only on Tuesdays" }}\n', "only on Tuesdays"),
        ("{who: me}", "a: [\n", "parse error|YAML"),
    ],
)
def test_a_chart_that_does_not_render_stops_with_helms_own_words(
    helm, configured, chart, tmp_path, values, template, says
) -> None:
    """What Helm says is shown, with the chart's name, before anything is sent."""
    chart(values="replicas: 1\n", web=template)

    with pytest.raises(WrongUseError, match=rf"(?s)The chart shop does not render. Helm says: .*({says})") as caught:
        extra_objects(configured(asked(values)), tmp_path, helm=helm)
    assert "Error:" not in caught.value.message


@pytest.mark.parametrize(
    ("value", "at"),
    [("randAlphaNum 12", "data.a"), ("uuidv4", "data.a"), ('now | date "2006-01-02"', "data.a"), ("now", "data.a")],
)
def test_a_chart_that_renders_differently_each_time_is_refused(helm, configured, chart, tmp_path, value, at) -> None:
    """A random password or today's date would roll the controllers at every apply; the place is named."""
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: {{ VALUE | quote }}}\n"
    chart(web=secret.replace("VALUE", f"({value} | toString)"))

    with pytest.raises(WrongUseError, match=f"The chart shop renders differently each time: Secret s differs at {at}"):
        extra_objects(configured(asked()), tmp_path, helm=helm)


def test_between_the_renderings_the_clock_moves_on(configured, tmp_path) -> None:
    """What counts seconds is seen to differ, since the second rendering waits for another one."""
    program = tmp_path / "helm"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/rendered\n")
    program.chmod(0o755)
    (tmp_path / "web").mkdir()
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {at: SECOND}}\n"
    (tmp_path / "rendered").write_text(text.replace("SECOND", "'1'"))
    still = Helm(program, pause=lambda: None)
    ticking = Helm(program, pause=lambda: (tmp_path / "rendered").write_text(text.replace("SECOND", "'2'")))

    assert extra_objects(configured(asked()), tmp_path, helm=still)
    with pytest.raises(WrongUseError, match=r"ConfigMap a differs at metadata.annotations.at"):
        extra_objects(configured(asked()), tmp_path, helm=ticking)


@pytest.mark.parametrize(
    ("kind", "event", "stays"),
    [
        ("Pod", "test", False),
        ("Job", "pre-delete,post-rollback", False),
        ("ConfigMap", "pre-install, pre-upgrade", True),
        ("ServiceAccount", "post-install,test", True),
    ],
)
def test_of_helms_hooks_only_what_is_no_deed_is_applied(helm, configured, chart, tmp_path, kind, event, stays) -> None:
    """Tests and what belongs to a deletion are left out; what only lies there is applied."""
    chart(web=DEPLOYMENT, hook=HOOK.format(kind=kind, event=event))

    found = objects_of(extra_objects(configured(asked()), tmp_path, helm=helm))

    assert ("hooked" in {one["metadata"]["name"] for one in found}) is stays


def test_a_hook_that_runs_at_a_moment_of_helms_is_refused(helm, configured, chart, tmp_path) -> None:
    """A Job before an upgrade has no place among objects that are applied again and again."""
    chart(web=DEPLOYMENT, hook=HOOK.format(kind="Job", event="pre-upgrade,test"))

    with pytest.raises(WrongUseError, match="The chart shop wants Job hooked run at pre-upgrade"):
        extra_objects(configured(asked()), tmp_path, helm=helm)


def test_what_is_named_and_not_there_is_said(helm, configured, chart, tmp_path) -> None:
    """A chart or a file of values that is not there is named with its path."""
    with pytest.raises(FileError, match=r"The chart shop is not there: .*/web does not exist"):
        extra_objects(configured(asked()), tmp_path, helm=helm)
    chart(web=DEPLOYMENT)
    with pytest.raises(FileError, match=r"The chart shop has no values: .*/gone.yaml is no file"):
        extra_objects(configured(asked(files="gone.yaml")), tmp_path, helm=helm)


def test_a_repository_that_does_not_answer_is_said_with_helms_words(helm, configured, tmp_path) -> None:
    """Nothing listens there: the chart's name, and what Helm met."""
    config = configured("charts: [{name: shop, chart: web, repo: 'https://127.0.0.1:9', version: 1.2.3}]")

    with pytest.raises(KubecfnError, match=r"The chart shop could not be fetched: .*127\.0\.0\.1:9"):
        extra_objects(config, tmp_path, helm=helm)


def test_without_helm_the_remedy_is_to_install_it(monkeypatch, tmp_path) -> None:
    """Whoever asks for charts and has no helm is told where it is looked for."""
    with pytest.raises(WrongUseError, match=r"there is no helm on the PATH.* KUBECFN_HELM"):
        find_helm({"PATH": str(tmp_path)})
    with pytest.raises(WrongUseError, match=r"KUBECFN_HELM names /nowhere/helm, which is no program"):
        find_helm({"PATH": str(tmp_path), "KUBECFN_HELM": "/nowhere/helm"})
    program = tmp_path / "helm"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_helm({"PATH": str(tmp_path)}).program == program
