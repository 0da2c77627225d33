package programs;

import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.util.ArrayList;
import java.util.List;

/** Drives three legs, each in a run of its own. The first begins when the parcel is handed over. */
@WorkflowInterface
public interface Delivery {
  @WorkflowMethod(name = "Delivery")
  List<String> run(int leg, List<String> done);

  @SignalMethod
  void handOver(String address);

  final class Impl implements Delivery {
    private String address;

    @Override
    public List<String> run(int leg, List<String> before) {
      List<String> done = new ArrayList<>(before);
      if (leg == 1) {
        Workflow.await(() -> address != null);
        done.add("to " + address);
      }
      done.add(Order.activities().drive(leg));
      if (leg < 3) {
        Workflow.newContinueAsNewStub(Delivery.class).run(leg + 1, done);
      }
      return done;
    }

    @Override
    public void handOver(String to) {
      address = to;
    }
  }
}
