package programs;

import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;

/** Would come in an hour. */
@WorkflowInterface
public interface Reminder {
  @WorkflowMethod(name = "Reminder")
  void run();

  final class Impl implements Reminder {
    @Override
    public void run() {
      Workflow.sleep(Duration.ofHours(1));
    }
  }
}
