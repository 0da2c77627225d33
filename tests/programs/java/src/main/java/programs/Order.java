package programs;

import static programs.Errors.outcome;

import io.temporal.activity.ActivityCancellationType;
import io.temporal.activity.ActivityOptions;
import io.temporal.activity.LocalActivityOptions;
import io.temporal.common.RetryOptions;
import io.temporal.failure.ApplicationFailure;
import io.temporal.workflow.Async;
import io.temporal.workflow.CancellationScope;
import io.temporal.workflow.ChildWorkflowOptions;
import io.temporal.workflow.Promise;
import io.temporal.workflow.QueryMethod;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.UpdateMethod;
import io.temporal.workflow.UpdateValidatorMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** Goes from checkout to doorstep: created, paid, on the way, delivered. */
@WorkflowInterface
public interface Order {
  record Request(String item, String address) {}

  /** What the order came to; the workflow fills it in as it goes. */
  final class Receipt {
    public String number;
    public int version;
    public int discount;
    public String payment;
    public int tip;
    public String address;
    public List<String> delivery;
    public String tracking;
    public String reminder;
  }

  @WorkflowMethod(name = "Order")
  Receipt run(Request request);

  @SignalMethod
  void pickedUp();

  @SignalMethod
  void delivered();

  @QueryMethod
  String status();

  @UpdateMethod
  int changeTip(int cents);

  @UpdateValidatorMethod(updateName = "changeTip")
  void checkTip(int cents);

  @UpdateMethod
  String changeAddress(String address);

  /** Gives activities time enough for another node to take over, and soon another attempt. */
  static Activities activities() {
    return Workflow.newActivityStub(
        Activities.class,
        ActivityOptions.newBuilder()
            .setStartToCloseTimeout(Duration.ofSeconds(20))
            .setHeartbeatTimeout(Duration.ofSeconds(20))
            .setCancellationType(ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
            .setRetryOptions(
                RetryOptions.newBuilder()
                    .setInitialInterval(Duration.ofMillis(100))
                    .setMaximumInterval(Duration.ofSeconds(1))
                    .build())
            .build());
  }

  final class Impl implements Order {
    private final String id = Workflow.getInfo().getWorkflowId();
    private final Activities activities = activities();
    private final Receipt receipt = new Receipt();
    private String status = "created";
    private boolean pickedUp;
    private boolean delivered;

    @Override
    public Receipt run(Request request) {
      receipt.address = request.address();
      checkout(request);
      awaitPickup();
      deliver();
      return receipt;
    }

    /** Leaves markers of each kind, and charges the customer. */
    private void checkout(Request request) {
      receipt.version = Workflow.getVersion("prices", Workflow.DEFAULT_VERSION, 2);
      receipt.number = Workflow.sideEffect(String.class, () -> "number of " + id);
      Activities local =
          Workflow.newLocalActivityStub(
              Activities.class,
              LocalActivityOptions.newBuilder()
                  .setScheduleToCloseTimeout(Duration.ofSeconds(10))
                  .setRetryOptions(RetryOptions.newBuilder().setInitialInterval(Duration.ofMillis(10)).build())
                  .build());
      int cents = local.quote(request.item());
      receipt.payment = activities.charge(id, cents);
      for (int percent : new int[] {10, 10, 15}) {
        receipt.discount =
            Workflow.mutableSideEffect("discount", Integer.class, (a, b) -> !a.equals(b), () -> percent);
      }
      status = "paid";
      Workflow.upsertMemo(Map.of("paid", cents));
    }

    /** Takes the signal before the time is up. */
    private void awaitPickup() {
      if (!Workflow.await(Duration.ofMinutes(10), () -> pickedUp)) {
        throw ApplicationFailure.newFailure("nobody came", "NotPickedUp");
      }
    }

    /** Has two children and a long activity at work until the signal comes; ends each in another way. */
    private void deliver() {
      Tracking tracking = new Tracking();
      tracking.scope.run();
      Delivery delivery =
          Workflow.newChildWorkflowStub(
              Delivery.class, ChildWorkflowOptions.newBuilder().setWorkflowId(id + "/delivery").build());
      Promise<List<String>> legs = Async.function(delivery::run, 1, List.of());
      Workflow.getWorkflowExecution(delivery).get();
      Reminding reminding = new Reminding();
      reminding.scope.run();
      status = "on the way";
      Workflow.await(() -> delivered);

      delivery.handOver(receipt.address);
      receipt.delivery = legs.get();
      tracking.scope.cancel();
      receipt.tracking = outcome(tracking.done);
      reminding.scope.cancel();
      receipt.reminder = outcome(reminding.done);
      Workflow.sleep(Duration.ofMillis(300));
      status = "delivered";
    }

    private final class Tracking {
      Promise<Void> done;
      final CancellationScope scope =
          Workflow.newCancellationScope(() -> done = Async.procedure(activities::track, id));
    }

    private final class Reminding {
      Promise<Void> done;
      final CancellationScope scope =
          Workflow.newCancellationScope(
              () -> {
                Reminder reminder =
                    Workflow.newChildWorkflowStub(
                        Reminder.class, ChildWorkflowOptions.newBuilder().setWorkflowId(id + "/reminder").build());
                done = Async.procedure(reminder::run);
                Workflow.getWorkflowExecution(reminder).get();
              });
    }

    @Override
    public void pickedUp() {
      pickedUp = true;
    }

    @Override
    public void delivered() {
      delivered = true;
    }

    @Override
    public String status() {
      return status;
    }

    @Override
    public int changeTip(int cents) {
      int before = receipt.tip;
      receipt.tip = cents;
      return before;
    }

    @Override
    public void checkTip(int cents) {
      if (cents < 0) {
        throw ApplicationFailure.newFailure("a tip cannot be negative", "InvalidTip");
      }
    }

    @Override
    public String changeAddress(String address) {
      receipt.address = activities.checkAddress(address);
      return receipt.address;
    }
  }
}
