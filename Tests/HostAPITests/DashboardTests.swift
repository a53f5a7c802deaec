import HTTPFixtures
import Testing

@testable import HostAPI

@Suite("The files of the dashboard")
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
