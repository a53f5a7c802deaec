import Chronology
import Hosting
import JobModel
import Testing

@testable import HostAPI

@Suite("Texts of jobs that were listed before")
struct JobTextsTests {
  private func job(_ number: Int) -> JobAnswer {
    var job = JobAnswer(name: "job \(number) \"\u{202e}\"")
    job.trigger = "every hour"
    return job
  }

  private func text(_ reply: Reply) -> String? {
    guard case .text(let text, "application/json") = reply.content else { return nil }
    return text
  }

  @Test(
    "a page is what the encoder writes, the first time and later, and its tag changes with it", arguments: [0, 1, 100])
  func pages(count: Int) async throws {
    let texts = JobTexts()
    var tags: [String?] = []
    var jobs = (0..<count).map(job)
    func hold(_ next: PageCursor? = nil) async throws {
      let page = Page(jobs, next: next)
      let reply = try await texts.reply(page)
      #expect(text(reply) == (try AnswerEncoder.json(page)))
      tags.append(reply.entityTag)
    }
    try await hold()
    try await hold()
    #expect(tags[0] != nil && tags[0] == tags[1])
    try await hold(PageCursor("17"))
    for index in jobs.indices.prefix(1) {
      jobs[index].nextRunTime = HostTime(Instant(seconds: 1_767_225_600), in: .utc)
    }
    try await hold()
    jobs.append(job(count))
    try await hold()
    jobs = Array(jobs.dropFirst().prefix(1))
    try await hold()
    #expect(Set(tags).count == (count == 0 ? 3 : 5), "\(tags)")
  }

  @Test("more than is kept begins anew and is written all the same")
  func large() async throws {
    let texts = JobTexts()
    for round in 0..<40 {
      var job = job(round)
      job.description = String(repeating: "x", count: 300_000)
      let page = Page([job])
      #expect(text(try await texts.reply(page)) == (try AnswerEncoder.json(page)))
    }
  }
}
