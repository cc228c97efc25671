"""launch/pipeline.py: keys that decide how an approved model is served."""

import re
from dataclasses import replace

import pytest

from dogbreed.cloud.pipelines.serving_keys import check_serving_keys
from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.pipeline import PipelineConfig
from dogbreed.errors import ConfigError


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("deploy.ttl_hours=8", "deploy.ttl_hours=8.0: a pipeline has no step for it"),
        ("deploy.alarms=true", "deploy.alarms=True: a pipeline has no step for it"),
        ("deploy.max_instances=2", "deploy.max_instances=2: a pipeline has no step for it"),
        ("deploy.register=ours", "registers its models in pipeline.group"),
        ("deploy=serverless", "a pipeline deploys to instances"),
        ("deploy.instance_type=ml.p3.2xlarge", "the GPU is too old"),
        ("deploy.instance_type=ml.c7i.larg", "'ml.c7i.larg' is no SageMaker instance type"),
        ("pipeline.endpoint=-dogs", "endpoint=-dogs: must be at most"),
    ],
)
def test_a_key_that_a_pipeline_would_ignore_is_refused(key: str, message: str) -> None:
    config = compose_as(PipelineConfig, "pipeline", ["data.root=photos", key])
    with pytest.raises(ConfigError, match=re.escape(message)):
        check_serving_keys(config)
    without = replace(config, pipeline=replace(config.pipeline, endpoint=None))
    check_serving_keys(without)
