package programs;

import io.temporal.failure.ApplicationFailure;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;

/** Fails at its first two attempts. */
@WorkflowInterface
public interface Flaky {
  @WorkflowMethod(name = "Flaky")
  String run();

  final class Impl implements Flaky {
    @Override
    public String run() {
      int attempt = Workflow.getInfo().getAttempt();
      if (attempt <= 2) {
        throw ApplicationFailure.newFailure("attempt " + attempt, "Flaky");
      }
      return "the third time";
    }
  }
}
