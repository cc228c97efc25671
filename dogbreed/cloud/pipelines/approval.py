"""The pipeline that deploys a model package: an approval starts it, see event_rule.py."""

from dataclasses import replace

from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.endpoint_step import EndpointConfigStep, EndpointStep
from sagemaker.mlops.workflow.pipeline import Pipeline

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.endpoints.endpoint_requests import (
    ServedModel,
    endpoint_config_request,
    model_request,
)
from dogbreed.cloud.pipelines.event_rule import PACKAGE_PARAMETER, deployment_name
from dogbreed.cloud.pipelines.serving_keys import serving_config
from dogbreed.cloud.pipelines.workflow import model_step
from dogbreed.configuration.pipeline import PipelineConfig


def deploy_pipeline(
    account: Account, config: PipelineConfig, session: PipelineSession, role_arn: str
) -> Pipeline:
    """The pipeline that deploys a model package to the endpoint: creates it, or updates it.

    Its requests are those of launch/deploy.py. The former endpoint configuration remains, so that
    the endpoint can be set back to it.
    """
    serving, endpoint = serving_config(config), str(config.pipeline.endpoint)
    package = ParameterString(name=PACKAGE_PARAMETER)
    # The pipeline names its model, and takes image, archive and environment from the package.
    served = ServedModel(name=endpoint, model_uri="", image_uri="")
    request = model_request(replace(account, role_arn=role_arn), serving, served)
    del request["ModelName"], request["PrimaryContainer"]
    request["Containers"] = [{"ModelPackageName": package}]
    model = model_step("CreateModel", session, request)
    request = endpoint_config_request(account, serving, served)
    (variant,) = request["ProductionVariants"]
    configuration = EndpointConfigStep(
        "CreateConfig",
        step_args=session.create_endpoint_config(
            name=Join(on="-", values=[endpoint, ExecutionVariables.PIPELINE_EXECUTION_ID]),
            production_variants=[{**variant, "ModelName": model.properties.ModelName}],
            tags=request["Tags"],
            kms_key=request.get("KmsKeyId"),
            data_capture_config_dict=request.get("DataCaptureConfig"),
        ),
    )
    serve = EndpointStep(
        "Deploy",
        step_args=session.create_endpoint(
            endpoint_name=endpoint,
            config_name=configuration.properties.EndpointConfigName,
            tags=request["Tags"],
        ),
    )
    return Pipeline(
        name=deployment_name(config),
        parameters=[package],
        pipeline_experiment_config=None,
        steps=[model, configuration, serve],
        sagemaker_session=session,
    )
