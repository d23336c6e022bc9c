"""The function that drains workers: where it stands, what calls it, who is told of its role."""

from __future__ import annotations

import pytest

from kubecfn.template.rules.view import target

ON_DEMAND = "pools: [{name: general}]"
SPOT = "pools: [{name: general}, {name: burst, spot: true}]"


def test_it_stands_where_the_api_lets_it_in(make):
    """In the private subnets, with a security group that opens the load balancer's port and nothing else."""
    made = make(ON_DEMAND)
    place = made.properties("WorkerLifecycle")["VpcConfig"]

    assert [target(one) for one in place["SecurityGroupIds"]] == ["WorkerFunctionSecurityGroup"]
    rules = made.of_type("EC2::SecurityGroupIngress").items()
    let_in = {
        name: (target(rule["GroupId"]), rule["FromPort"], rule["ToPort"])
        for name, rule in ((name, made.properties(name)) for name, _ in rules)
        if target(rule.get("SourceSecurityGroupId")) == "WorkerFunctionSecurityGroup"
    }
    assert let_in == {"ApiFromFunction": ("ApiSecurityGroup", 6443, 6443)}


@pytest.mark.parametrize(("pools", "there"), [(ON_DEMAND, False), (SPOT, True)])
def test_warnings_of_interruptions_reach_it_only_where_there_are_spot_instances(make, pools, there):
    """EC2 names no group, so every warning of the region would come."""
    made = make(pools)

    assert ("WorkerLifecycleSpotRule" in made.of_type("Events::Rule")) is there
    if there:
        assert made.properties("WorkerLifecycleSpotRule")["EventPattern"] == {
            "source": ["aws.ec2"],
            "detail-type": ["EC2 Spot Instance Interruption Warning"],
        }
        allowed = made.properties("WorkerLifecycleSpotPermission")
        assert (target(allowed["FunctionName"]), target(allowed["SourceArn"])) == (
            "WorkerLifecycle",
            "WorkerLifecycleSpotRule",
        )


def test_without_pools_there_is_nothing_of_it(make):
    """No function, no parameter, no security group."""
    made = make("pools: []")

    names = [*made.data["Resources"], *made.data["Parameters"]]
    assert [one for one in names if "Worker" in one or one == "KubernetesCaSha256"] == []
