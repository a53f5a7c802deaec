import Foundation
import HTTPFixtures
import Hosting
import Synchronization
import Testing

@testable import HostAPI

/// What is asked, and what is answered.
@Suite("Requests and answers", .timeLimit(.minutes(5)))
struct RequestTests {
  @Test("an answer is JSON whose invisible characters are escaped, with a tag by which it is not sent twice")
  func answer() throws {
    let fixture = try ServerFixture()
    let client = try fixture.client()
    let first = try client.request("GET", "/api/v1/jobs?tag=a%20b", headers: [ServerFixture.reads])
    #expect(first.status == 200 && first["content-type"] == "application/json")
    #expect(first.body.contains(#""description":"a\u202eb\u001b[2J""#), "\(first.body)")
    #expect(first.body.contains(#""params":{"deep":{"n":1}}"#) && first.body.contains(#""tags":["a b"]"#))
    let tag = try #require(first["etag"])
    for field in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
      let again = try client.request(
        "GET", "/api/v1/jobs?tag=a%20b", headers: [ServerFixture.reads, "If-None-Match: \(field)"])
      #expect(again.status == 304 && again["etag"] == tag, "\(field)")
    }
    let head = try client.request("HEAD", "/api/v1/jobs?tag=a%20b", headers: [ServerFixture.reads])
    #expect(head.status == 200 && head["content-length"] == "\(first.body.utf8.count)")
    #expect(head["date"]?.hasSuffix(" GMT") == true && head["x-content-type-options"] == "nosniff")
  }

  @Test("orders carry their parameters and their names to the host")
  func orders() throws {
    let fixture = try ServerFixture()
    let client = try fixture.socketClient()
    let run = try client.request(
      "POST", "/api/v1/jobs/a%2Fb/run", headers: ["Moondial-Client: ada"], body: #"{"params":{"n":[1,null,"x"]}}"#)
    #expect(run.status == 202 && run.body.contains(#""job":"a/b""#))
    #expect(try client.request("POST", "/api/v1/pause", body: #"{"reason":"the ERP"}"#).status == 200)
    #expect(try client.request("POST", "/api/v1/jobs/nightly/resume").status == 200)
    #expect(try client.request("DELETE", "/api/v1/schedules/x%20y").status == 204)
    #expect(
      fixture.control.orders.withLock { $0 } == [
        #"run a/b {"n":[1,null,"x"]} by ada over socket"#, #"pause ["everything"] the ERP by operator over socket"#,
        #"resume ["nightly"] by operator over socket"#, "unschedule x y by operator over socket",
      ])
  }

  @Test(
    "what cannot be meant is one sentence with its status",
    arguments: [
      ("GET", "/api/v1/runs/0", "", 422, "is no run"), ("GET", "/api/v1/runs/x", "", 422, "is no run"),
      ("GET", "/api/v1/runs/99999999999999999999", "", 422, "is no run"),
      ("GET", "/api/v1/runs?limit=0", "", 422, "from 1 to 1000"),
      ("GET", "/api/v1/runs?limit=1001", "", 422, "from 1 to 1000"),
      ("GET", "/api/v1/runs?limit=1&limit=2", "", 422, "say limit once"),
      ("GET", "/api/v1/runs?outcome=great", "", 422, "is none of"),
      ("GET", "/api/v1/runs?from=yesterday", "", 422, "from=yesterday"),
      ("GET", "/api/v1/runs?form=2026-01-01", "", 422, "there is no parameter"),
      ("GET", "/api/v1/jobs/other", "", 404, "no job is named other"),
      ("GET", "/api/v1/other", "", 404, "there is nothing"), ("GET", "/api/v1/jobs/", "", 404, "there is nothing"),
      ("GET", "/api/v1//jobs", "", 404, "there is nothing"), ("GET", "/api/v1/jobs/..", "", 404, "there is nothing"),
      ("GET", "/api/v1/jobs/%2e%2E", "", 404, "there is nothing"),
      ("GET", "/api/v1/jobs/%zz", "", 400, "hexadecimal"), ("GET", "/api/v1/jobs/%", "", 400, "hexadecimal"),
      ("GET", "/api/v1/jobs/%ff", "", 400, "UTF-8"), ("GET", "/api/v1/jobs/a%00b", "", 400, "zero byte"),
      ("OPTIONS", "*", "", 400, "begins with /"),
      ("POST", "/api/v1/jobs/nightly/run", "{", 400, "no JSON"),
      ("POST", "/api/v1/jobs/nightly/run", "[]", 422, "must be an object, not an array"),
      ("POST", "/api/v1/jobs/nightly/run", #"{"parms":{}}"#, 422, "(params?)"),
      ("POST", "/api/v1/jobs/nightly/pause", #"{"reason":7}"#, 422, "reason must be a string"),
      ("POST", "/api/v1/reload", #"{"x":1}"#, 422, "it takes none"),
      ("POST", "/api/v1/schedules", "{}", 422, "job is missing"),
      ("POST", "/api/v1/schedules", "", 400, "no body"),
      ("POST", "/api/v1/backfill", #"{"job":"x","from":"a","to":"b"}"#, 422, "from"),
    ])
  func refused(_ method: String, _ target: String, _ body: String, _ status: Int, _ words: String) throws {
    let fixture = try ServerFixture()
    let answer = try fixture.client().request(
      method, target, headers: [ServerFixture.operates], body: body.isEmpty ? nil : body)
    #expect(answer.status == status && answer["content-type"] == "application/problem+json", "\(answer)")
    #expect(answer.body.contains(words) && answer.body.contains("\"status\":\(status)"), "\(answer.body)")
  }

  @Test("media types: what is sent must be JSON, and what is wanted must be what there is")
  func types() throws {
    let fixture = try ServerFixture()
    let client = try fixture.client()
    let text = ["Content-Type: text/plain", ServerFixture.operates]
    #expect(try client.request("POST", "/api/v1/jobs/nightly/run", headers: text, body: "{}").status == 415)
    for (accept, status) in [
      ("text/html", 406), ("application/json;q=0", 406), ("*/*", 200), ("text/html, application/*;q=0.5", 200),
      ("application/json", 200),
    ] {
      let headers = [ServerFixture.reads, "Accept: \(accept)"]
      #expect(try fixture.client().request("GET", "/api/v1/status", headers: headers).status == status, "\(accept)")
    }
  }

  @Test("what the host refuses has the status of its kind")
  func hostRefuses() throws {
    let fixture = try ServerFixture()
    let client = try fixture.socketClient()
    for (code, status) in [
      (ControlError.Code.notFound, 404), (.conflict, 409), (.invalid, 422), (.unavailable, 503),
    ] {
      fixture.control.refusal.withLock { $0 = ControlError(code, "because") }
      let answer = try client.request("GET", "/api/v1/status")
      #expect(answer.status == status && answer.body.contains(#""detail":"because""#))
    }
    fixture.control.isReady.withLock { $0 = false }
    #expect(try client.request("GET", "/readyz").status == 503)
    #expect(try client.request("GET", "/healthz").status == 200)
  }

  @Test("requests on one connection are answered in order, also when they come at once")
  func pipelined() throws {
    let fixture = try ServerFixture()
    let client = try fixture.socketClient()
    client.send(
      String(
        repeating: "GET /api/v1/jobs/nightly HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
        count: 50))
    for _ in 0..<50 {
      #expect(try client.answer().status == 200)
      #expect(try client.answer().status == 404)
    }
  }
}
