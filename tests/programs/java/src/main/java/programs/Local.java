package programs;

import io.temporal.activity.LocalActivityOptions;
import io.temporal.common.RetryOptions;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;

/** Has a local activity that takes longer than a workflow task may, and one that waits long for its next attempt. */
@WorkflowInterface
public interface Local {
  @WorkflowMethod(name = "Local")
  String run();

  final class Impl implements Local {
    @Override
    public String run() {
      Activities local =
          Workflow.newLocalActivityStub(
              Activities.class,
              LocalActivityOptions.newBuilder()
                  .setScheduleToCloseTimeout(Duration.ofMinutes(1))
                  .setRetryOptions(RetryOptions.newBuilder().setInitialInterval(Duration.ofMillis(2500)).build())
                  .build());
      return local.ponder(3000) + ", " + local.quote("tea");
    }
  }
}
