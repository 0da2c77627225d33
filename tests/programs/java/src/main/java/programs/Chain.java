package programs;

import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;

/** Is run anew until nothing is left, then waits an hour if it is told to. */
@WorkflowInterface
public interface Chain {
  @WorkflowMethod(name = "Chain")
  String run(int left, boolean waits);

  final class Impl implements Chain {
    @Override
    public String run(int left, boolean waits) {
      if (left > 0) {
        Workflow.newContinueAsNewStub(Chain.class).run(left - 1, waits);
      }
      if (waits) {
        Workflow.sleep(Duration.ofHours(1));
      }
      return "the last run";
    }
  }
}
