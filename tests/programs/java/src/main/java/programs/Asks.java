package programs;

import io.temporal.activity.ActivityOptions;
import io.temporal.common.RetryOptions;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;

/** Has a question to somebody outside. */
@WorkflowInterface
public interface Asks {
  @WorkflowMethod(name = "Asks")
  String run();

  final class Impl implements Asks {
    @Override
    public String run() {
      return Workflow.newActivityStub(
              Activities.class,
              ActivityOptions.newBuilder()
                  .setStartToCloseTimeout(Duration.ofMinutes(1))
                  .setRetryOptions(RetryOptions.newBuilder().setMaximumAttempts(1).build())
                  .build())
          .ask();
    }
  }
}
