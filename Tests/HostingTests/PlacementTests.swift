import Testing

@testable import Hosting

@Suite("Which host executes a run")
struct PlacementTests {
  private func host(
    _ name: String, _ labels: [String] = [], waiting: Int = 0, running: Int = 0, workers: Int = 4,
    refusal: String? = nil
  ) -> Placement.Host {
    Placement.Host(
      name: name, labels: labels,
      executors: ["default": Placement.Room(workers: workers, waiting: waiting, running: running)], refusal: refusal)
  }

  private let any = Placement.Need(executor: "default")

  @Test(
    "the one that leads keeps it, unless another one is clearly less loaded",
    arguments: [
      (0, 0, true), (1, 0, true), (2, 0, false), (3, 1, false), (3, 2, true), (4, 2, false), (40, 39, true),
    ])
  func load(here: Int, there: Int, stays: Bool) {
    let placement = Placement(here: host("a", running: here), others: [host("b", running: there)])
    #expect(placement.host(for: any) == (stays ? .here : .member("b")))
  }

  @Test("loads are for each worker: a large host takes more")
  func workers() {
    let placement = Placement(
      here: host("a", running: 2, workers: 2), others: [host("b", running: 4, workers: 16), host("c", running: 1)])
    #expect(placement.host(for: any) == .member("b"))
  }

  @Test("of others with equal loads the first by name, whatever their order")
  func names() {
    let others = [host("c"), host("b"), host("d")]
    #expect(Placement(here: host("a", running: 4), others: others).host(for: any) == .member("b"))
    #expect(Placement(here: host("a", running: 4), others: others.reversed()).host(for: any) == .member("b"))
  }

  @Test("who has as many that have not begun as workers has no room; runs that have begun need none")
  func room() {
    #expect(Placement(here: host("a", waiting: 4), others: [host("b", running: 900)]).host(for: any) == .member("b"))
    #expect(Placement(here: host("a", running: 900), others: [host("b", waiting: 4)]).host(for: any) == .here)
    #expect(Placement(here: host("a", waiting: 4), others: [host("b", waiting: 5)]).host(for: any) == .full)
    // The one host that may run it is full; that another one has room is nothing to it.
    let gpu = Placement.Need(executor: "default", labels: ["gpu"])
    #expect(Placement(here: host("a"), others: [host("b", ["gpu"], waiting: 4)]).host(for: gpu) == .full)
  }

  @Test("labels: all of them, and nobody else, however loaded")
  func labels() {
    let need = Placement.Need(executor: "default", labels: ["eu", "gpu"])
    let others = [host("b", ["eu"]), host("c", ["gpu", "eu", "x"], running: 50), host("d", ["gpu"])]
    #expect(Placement(here: host("a"), others: others).host(for: need) == .member("c"))
    #expect(Placement(here: host("a", ["eu", "gpu"], running: 1), others: others).host(for: need) == .here)
  }

  @Test("nobody: each host by its name, with why")
  func nobody() {
    let others = [host("b", ["gpu"], refusal: "has another version of the job"), host("c")]
    let answer = Placement(here: host("a"), others: others)
      .host(for: Placement.Need(executor: "default", labels: ["gpu"]))
    #expect(
      answer
        == .nobody([
          "a (this host) has no label \"gpu\"", "b has another version of the job", "c has no label \"gpu\"",
        ]))
    #expect(
      Placement(here: host("a"), others: []).host(for: Placement.Need(executor: "big"))
        == .nobody(["a (this host) has no executor \"big\""]))
  }

  @Test("what only the host that leads can run stays there, or waits")
  func stays() {
    var need = Placement.Need(executor: "default", staysHere: "it uses emit")
    let placement = Placement(here: host("a", running: 100), others: [host("b", ["gpu"])])
    #expect(placement.host(for: need) == .here)
    need.labels = ["gpu"]
    #expect(
      placement.host(for: need) == .nobody(["a (this host) has no label \"gpu\"", "b cannot: it uses emit"]))
  }

  @Test("who refuses is passed over, and the one that leads is always one to choose")
  func refusals() {
    let others = [host("b", refusal: "is drained"), host("c", running: 3)]
    #expect(Placement(here: host("a", running: 50), others: others).host(for: any) == .member("c"))
    #expect(Placement(here: host("a", running: 50), others: [others[0]]).host(for: any) == .here)
  }

  @Test("a version is gone when each host that could run it lacks it; one that is drained or loads may have it")
  func versions() {
    let need = Placement.Need(executor: "default", labels: ["gpu"])
    func isGone(_ others: Placement.Host...) -> Bool {
      Placement(here: host("a"), others: others).isVersionGone(for: need)
    }
    var other = host("b", ["gpu"], refusal: "has another version of the job")
    other.lacksVersion = true
    #expect(isGone(other) && isGone() && isGone(other, host("c", refusal: "is drained")))
    #expect(!isGone(other, host("c", ["gpu"], refusal: "is drained")) && !isGone(host("c", ["gpu"])))
  }
}
