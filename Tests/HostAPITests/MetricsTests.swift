import Foundation
import Hosting
import JobModel
import Testing

@testable import HostAPI

/// The page for Prometheus.
@Suite("Metrics", .timeLimit(.minutes(5)))
struct MetricsTests {
  private static var numbers: HostMetrics {
    var metrics = HostMetrics()
    metrics.fires = 7
    metrics.decisions = [
      .init(kind: .skipped, reason: .overlap, count: 2), .init(kind: .coalesced, reason: nil, count: 1),
    ]
    metrics.ended = [
      .init(job: "odd \"name\"\\\n", outcome: .failed, count: 3), .init(job: nil, outcome: .succeeded, count: 4),
    ]
    metrics.lateness = Histogram(bounds: [0.001, 0.1], counts: [5, 2], count: 8, sum: 1.25)
    metrics.stores = [
      .init(
        name: "default", isWritable: true, queued: 1, batches: 9, failures: 0,
        latency: Histogram(bounds: [0.01], counts: [9], count: 9, sum: 0.01))
    ]
    metrics.executors = [ExecutorStatus(name: "default", workers: 2, runs: 1)]
    metrics.scripts = [
      .init(script: "a.lua", name: "orders", kind: "counter", labels: "shop=\"x\"", value: 3),
      .init(script: "c.lua", name: "odd", kind: "gauge", labels: #"a="script=\"",script="b""#, value: 1),
      .init(script: "b.lua", name: "depth", kind: "gauge", labels: "", value: -.infinity),
      .init(script: "b.lua", name: "moondial_fires_total", kind: "counter", labels: "", value: 1),
      .init(script: "a.lua", name: "both", kind: "gauge", labels: "", value: 1),
      .init(script: "b.lua", name: "both", kind: "counter", labels: "", value: .nan),
    ]
    return metrics
  }

  @Test("each family has its kind and its help, and labels are escaped")
  func page() {
    let page = MetricsPage.text(Self.numbers, version: "1.2.3")
    let expected = [
      "# HELP moondial_fires_total Fire times that got a run.\n# TYPE moondial_fires_total counter\nmoondial_fires_total 7\n",
      #"moondial_runs_total{job="odd \"name\"\\\n",outcome="failed"} 3"#,
      #"moondial_runs_total{job="(other)",outcome="succeeded"} 4"#,
      #"moondial_decisions_total{kind="skipped",reason="overlap"} 2"#,
      "moondial_run_lateness_seconds_bucket{le=\"0.001\"} 5\nmoondial_run_lateness_seconds_bucket{le=\"0.1\"} 7\n"
        + "moondial_run_lateness_seconds_bucket{le=\"+Inf\"} 8\nmoondial_run_lateness_seconds_sum 1.25\n"
        + "moondial_run_lateness_seconds_count 8\n",
      #"moondial_store_latency_seconds_bucket{store="default",le="+Inf"} 9"#,
      #"orders_total{script="a.lua",shop="x"} 3"#, #"depth{script="b.lua"} -Inf"#,
      #"odd{script="c.lua",a="script=\"",exported_script="b"} 1"#,
      #"script_moondial_fires_total{script="b.lua"} 1"#,
    ]
    for text in expected { #expect(page.contains(text), "\(text) in \(page)") }
    let families = page.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
    #expect(Set(families.map { $0.split(separator: " ")[2] }).count == families.count)
  }

  private static let program = "/usr/bin/promtool"

  @Test(
    "promtool accepts the page",
    .enabled(if: FileManager.default.isExecutableFile(atPath: program), "needs Debian's prometheus"))
  func promtool() throws {
    var numbers = Self.numbers
    numbers.scripts.removeAll { $0.name == "both" }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.program)
    process.arguments = ["check", "metrics"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    process.standardError = output
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: Data(MetricsPage.text(numbers, version: "1.2.3").utf8))
    try input.fileHandleForWriting.close()
    let said = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(said)")
  }
}
