package programs;

import static programs.Errors.kindOf;

import io.temporal.activity.ActivityOptions;
import io.temporal.common.RetryOptions;
import io.temporal.workflow.ChildWorkflowOptions;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Asks for more than there is time for, and tells how each ends. */
@WorkflowInterface
public interface Late {
  @WorkflowMethod(name = "Late")
  List<String> run();

  final class Impl implements Late {
    @Override
    public List<String> run() {
      Duration second = Duration.ofSeconds(1);
      Duration minute = Duration.ofMinutes(1);
      RetryOptions once = RetryOptions.newBuilder().setMaximumAttempts(1).build();
      List<String> ends = new ArrayList<>();
      for (ActivityOptions.Builder options :
          List.of(
              ActivityOptions.newBuilder().setStartToCloseTimeout(second).setRetryOptions(once),
              ActivityOptions.newBuilder().setStartToCloseTimeout(minute).setHeartbeatTimeout(second).setRetryOptions(once),
              ActivityOptions.newBuilder().setScheduleToStartTimeout(second).setStartToCloseTimeout(minute).setTaskQueue("nobody"),
              ActivityOptions.newBuilder().setScheduleToCloseTimeout(second))) {
        ends.add(kindOf(() -> Workflow.newActivityStub(Activities.class, options.build()).dawdle()));
      }
      ChildWorkflowOptions child = ChildWorkflowOptions.newBuilder().setWorkflowRunTimeout(second).build();
      ends.add(kindOf(() -> Workflow.newChildWorkflowStub(Reminder.class, child).run()));
      return ends;
    }
  }
}
