package programs;

import io.temporal.activity.Activity;
import io.temporal.activity.ActivityExecutionContext;
import io.temporal.activity.ActivityInterface;
import io.temporal.failure.ApplicationFailure;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

@ActivityInterface(namePrefix = "")
public interface Activities {
  /** Is used as a local activity; the price list cannot be read at first. */
  int quote(String item);

  /** Finds the payment provider down at the first two attempts. */
  String charge(String order, int cents);

  /** Breaks down half-way; the next attempt goes on where the last one told that it stood. */
  String drive(int leg);

  /** Runs until it is cancelled, and then tells so. */
  void track(String order);

  String checkAddress(String address);

  /** Leaves its answer to somebody who knows the token. */
  String ask();

  /** Takes longer than it may. */
  void dawdle();

  String release(String item);

  /** Is used as a local activity that lasts longer than a workflow task. */
  String ponder(int ms);

  final class Impl implements Activities {
    /** Tokens of questions, by workflow. */
    static final Map<String, byte[]> QUESTIONS = new ConcurrentHashMap<>();

    private static ActivityExecutionContext context() {
      return Activity.getExecutionContext();
    }

    @Override
    public int quote(String item) {
      if (context().getInfo().getAttempt() == 1) {
        throw new IllegalStateException("the price list is locked");
      }
      return 100 * item.length();
    }

    @Override
    public String charge(String order, int cents) {
      int attempt = context().getInfo().getAttempt();
      if (attempt <= 2) {
        throw ApplicationFailure.newFailure("provider is down (attempt " + attempt + ")", "ProviderDown");
      }
      return order + " paid " + cents;
    }

    @Override
    public String drive(int leg) {
      Optional<Integer> told = context().getHeartbeatDetails(Integer.class);
      int from = told.orElse(0);
      for (int at = from; at < 10; at++) {
        context().heartbeat(at);
        if (at == 5 && from == 0) {
          throw new IllegalStateException("a flat tyre");
        }
      }
      return "leg " + leg + " from " + from;
    }

    @Override
    public void track(String order) {
      for (int tick = 0; ; tick++) {
        pause(100);
        // Throws once the activity is cancelled.
        context().heartbeat(tick);
      }
    }

    @Override
    public String checkAddress(String address) {
      return address + ", checked";
    }

    @Override
    public String ask() {
      context().doNotCompleteOnReturn();
      QUESTIONS.put(context().getInfo().getWorkflowId(), context().getTaskToken());
      return null;
    }

    @Override
    public void dawdle() {
      pause(60_000);
    }

    @Override
    public String release(String item) {
      return item + " is back on the shelf";
    }

    @Override
    public String ponder(int ms) {
      pause(ms);
      return "pondered";
    }

    private static void pause(int ms) {
      try {
        Thread.sleep(ms);
      } catch (InterruptedException interrupted) {
        throw new IllegalStateException("the worker stops", interrupted);
      }
    }
  }
}
