import HTTPFixtures
import Hosting
import Testing

@testable import HostAPI

@Suite("The files of the dashboard", .timeLimit(.minutes(5)))
struct DashboardFileTests {
  @Test("each is there as it is, under a policy that lets the page reach nothing but its host")
  func files() throws {
    let fixture = try ServerFixture()
    for file in DashboardFile.all {
      let answer = try fixture.client().request("GET", file.path, headers: [ServerFixture.reads])
      #expect(answer.status == 200 && answer.body == file.text, "\(file.path)")
      #expect(answer.headers["content-type"] == file.type)
      #expect(answer.headers["x-content-type-options"] == "nosniff")
      let policy = answer.headers["content-security-policy"] ?? ""
      #expect(policy.hasPrefix("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"))
      let tag = try #require(answer.headers["etag"])
      let again = try fixture.client().request(
        "GET", file.path, headers: [ServerFixture.reads, "If-None-Match: \(tag)"])
      #expect(again.status == 304)
    }
  }

  private static func script(_ name: String) throws -> String {
    try #require(DashboardFile.all.first { $0.path == "/dashboard/\(name)" }).text
  }

  @Test("it listens to every type of event that the stream has")
  func types() throws {
    let list = try #require(try Self.script("host.js").firstMatch(of: #/const types = \[([^\]]*)\];/#)).output.1
    let types = list.matches(of: #/"(\w+)"/#).map { String($0.output.1) }
    #expect(Set(types) == Set(EventAnswer.types).union(["gap"]) && types.count == Set(types).count)
  }

  @Test("what it reads of an answer is a field of that answer")
  func fields() throws {
    let schemas = APIDescription(
      Routes.all(
        RouteContext(control: StubControl(), version: "1", credentials: Credentials(), address: { nil })),
      version: "1"
    ).schemas.all
    func fields(_ names: [String]) throws -> Set<String> {
      try names.reduce(into: []) { found, name in
        let schema = try #require(schemas.first { $0.name == name }?.schema, "no schema is named \(name)")
        guard case .object(let fields, _) = schema else { return }
        found.formUnion(fields.map(\.name))
      }
    }
    // How its scripts call an answer, and what that is.
    let answers = [
      "job": ["JobAnswer"], "run": ["RunAnswer"], "status": ["HostStatus"], "upcoming": ["UpcomingAnswer"],
      "fire": ["UpcomingFire"], "line": ["LogLineAnswer", "FrequentFires"],
      "entry": ["FrequentFires", "AuditAnswer", "GenerationAnswer"],
      "log": ["LogAnswer"], "step": ["StepAnswer"], "decision": ["DecisionAnswer"], "problem": ["ProblemAnswer"],
      "schedule": ["ScheduleAnswer"], "script": ["ScriptAnswer"], "pause": ["PauseInfo"], "info": ["ProgressInfo"],
      "pool": ["ExecutorStatus"], "generation": ["GenerationAnswer"], "node": ["NodeAnswer"],
    ]
    var checked = 0
    for name in ["pages.js", "dashboard.js", "elements.js"] {
      let text = try Self.script(name)
      for (variable, types) in answers {
        let known = try fields(types)
        let read = try Regex("(?:^|[^\\w.])\(variable)\\.([a-z]\\w*)", as: (Substring, Substring).self)
        for match in text.matches(of: read) {
          checked += 1
          #expect(known.contains(String(match.output.1)), "\(name): \(match.output.0)")
        }
      }
      // A name with an underscore is nobody's but an answer's.
      let all = Set(try schemas.flatMap { try fields([$0.name]) })
      for match in text.matches(of: #/\.([a-z]+(?:_[a-z]+)+)/#) {
        checked += 1
        #expect(all.contains(String(match.output.1)), "\(name): \(match.output.0)")
      }
    }
    #expect(checked > 150)
  }

  @Test("they name no other host, hold no script or style of their own, and never read text as HTML")
  func text() {
    for file in DashboardFile.all {
      for word in ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        let text = file.text.replacing("http://www.w3.org/2000/svg", with: "")
        #expect(!text.contains(word), "\(file.path) has \(word)")
      }
      guard file.type.hasPrefix("text/html") else { continue }
      #expect(!file.text.contains("<style") && !file.text.contains("style=") && !file.text.contains(" on"))
      #expect(file.text.ranges(of: "<script").count == file.text.ranges(of: "<script src=").count)
    }
  }
}
