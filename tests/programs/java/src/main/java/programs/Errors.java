package programs;

import io.temporal.client.WorkflowExecutionAlreadyStarted;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.CanceledFailure;
import io.temporal.failure.TemporalFailure;
import io.temporal.failure.TerminatedFailure;
import io.temporal.failure.TimeoutFailure;
import io.temporal.workflow.Promise;

/** What an error is, without what differs from run to run. */
final class Errors {
  private Errors() {}

  interface Attempt {
    void run() throws Exception;
  }

  static String kindOf(Attempt attempt) {
    try {
      attempt.run();
      return "none";
    } catch (Exception thrown) {
      return kindOf(thrown);
    }
  }

  static String kindOf(Throwable thrown) {
    Throwable root = thrown;
    for (Throwable at = thrown; at != null; at = at.getCause()) {
      if (at instanceof TimeoutFailure timeout) {
        return "timeout: " + timeout.getTimeoutType();
      } else if (at instanceof CanceledFailure) {
        return "canceled";
      } else if (at instanceof TerminatedFailure) {
        return "terminated";
      } else if (at instanceof ApplicationFailure application) {
        return "application: " + application.getType() + ": " + application.getOriginalMessage();
      } else if (at instanceof WorkflowExecutionAlreadyStarted) {
        return "already started";
      }
      root = at;
    }
    // The lines after the first are a stack.
    String message = String.valueOf(root.getMessage()).lines().findFirst().orElse("");
    return thrown.getClass().getSimpleName() + " of " + root.getClass().getSimpleName() + ": " + message;
  }

  /** How something that a workflow has cancelled ended. */
  static String outcome(Promise<?> promise) {
    try {
      promise.get();
      return "completed";
    } catch (TemporalFailure failure) {
      return kindOf(failure);
    }
  }
}
