package programs;

import io.temporal.activity.ActivityCancellationType;
import io.temporal.activity.ActivityOptions;
import io.temporal.failure.ActivityFailure;
import io.temporal.workflow.QueryMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;

/** Is cancelled while it waits for an activity, and cleans up. */
@WorkflowInterface
public interface Patient {
  @WorkflowMethod(name = "Patient")
  void run();

  @QueryMethod
  String status();

  final class Impl implements Patient {
    private final Activities activities =
        Workflow.newActivityStub(
            Activities.class,
            ActivityOptions.newBuilder()
                .setStartToCloseTimeout(Duration.ofMinutes(1))
                .setHeartbeatTimeout(Duration.ofSeconds(10))
                .setCancellationType(ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
                .build());
    private String status = "waits";

    @Override
    public void run() {
      try {
        activities.track("parcel");
      } catch (ActivityFailure cancelled) {
        Workflow.newDetachedCancellationScope(() -> status = activities.release("the item")).run();
        throw cancelled;
      }
    }

    @Override
    public String status() {
      return status;
    }
  }
}
