import Foundation
import Glibc
import HTTPFixtures
import Testing

/// The dashboard of the binary in a real browser.
@Suite("The dashboard, end to end", .serialized, .timeLimit(.minutes(5)))
struct DashboardTests {
  private static let script = """
    job "tick" { every = "1s", description = "<img src=x onerror=alert(1)>", run = function() end }
    job "asked" { params = { who = "nobody" }, run = function(ctx) log.info("for <b>" .. ctx.params.who) return ctx.params end }
    job "parks" { run_at_start = true, run = function(ctx) ctx:wait_for("a sign", "1d") end }
    job "broken" { every = "100ms", run = function() error("on purpose <script>") end }
    """

  @Test(
    "a person signs in, sees what runs and what fails, pauses a job with a reason, and runs one with parameters",
    .enabled(if: Browser.program != nil, "Chromium is not installed: apt-get install chromium"))
  func person() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let host = try place.host("--set", "http.listen=127.0.0.1:0")
    try host.awaitLine(containing: "moondial ")
    let link = try link(place)
    let browser = try Browser(try #require(Browser.program), in: place.path, at: link)
    let overview = try browser.wait(
      until: "document.querySelector('.live.on') && document.body.innerText.includes('on purpose')")
    #expect(overview.contains("Latest failures") && overview.contains("on purpose <script>"))
    #expect(overview.contains("Open runs") && overview.contains("for a sign, at the latest in "), "\(overview)")

    try browser.perform("location.hash = '#/jobs'")
    let jobs = try browser.wait(until: "document.querySelector('h1').textContent === 'Jobs'")
    #expect(jobs.contains("<img src=x onerror=alert(1)>"), "text of a script stays text: \(jobs)")
    try browser.perform(Self.click("Pause", inRowOf: "tick"))
    try browser.wait(until: "document.getElementById('dialog').open")
    try browser.perform("document.getElementById('field-reason').value = 'too loud'; \(Self.submit)")
    try browser.wait(until: "[...document.querySelectorAll('tr')].some((row) => /tick[^]*paused/.test(row.innerText))")
    let list = try said(["list", "--json"], place)
    #expect(list.contains { $0.contains("too loud") }, "\(list)")

    try browser.perform("location.hash = '#/jobs/asked'")
    try browser.wait(until: "document.querySelector('h1').textContent.startsWith('asked')")
    try browser.perform("[...document.querySelectorAll('main button')].find((b) => b.textContent === 'Run').click()")
    try browser.wait(until: "document.getElementById('dialog').open")
    try browser.perform("document.getElementById('field-params').value = '{\\\"who\\\": \\\"ada\\\"}'; \(Self.submit)")
    let done = try browser.wait(until: "document.body.innerText.includes('for <b>ada')")
    #expect(done.contains("succeeded"))

    // What was added to a list stays when the list is shown again.
    try browser.perform("location.hash = '#/audit'")
    try browser.wait(until: "document.querySelector('h1').textContent === 'Audit'")
    try browser.perform("location.hash = '#/runs'")
    let rows = "document.querySelectorAll('tbody tr').length"
    try browser.wait(until: "document.querySelector('h1').textContent === 'Runs' && \(rows) === 50")
    try browser.perform(
      "[...document.querySelectorAll('main button')].find((b) => b.textContent === 'Show more').click()")
    try browser.wait(until: "\(rows) > 50")
    try browser.perform("document.querySelector('tbody').dataset.old = 'yes'")
    try browser.wait(until: "!document.querySelector('tbody').dataset.old")
    try browser.wait(until: "\(rows) > 50")
    #expect(browser.complaints.isEmpty, "\(browser.complaints)")
  }

  @Test(
    "a search that finds nothing looks at one page of the history, and further when it is asked to",
    .enabled(if: Browser.program != nil, "needs chromium (Debian: apt install chromium)"))
  func search() throws {
    let place = try Place()
    try place.save("a.lua", "for i = 1, 20 do job('quick' .. i) { every = '50ms', run = function() end } end")
    let host = try place.host("--set", "http.listen=127.0.0.1:0")
    try host.awaitLine(containing: "moondial ")
    let browser = try Browser(try #require(Browser.program), in: place.path, at: link(place))
    // More than the host looks at for one page.
    try browser.wait(
      until: "Number(document.body.innerText.match(/([\\d,]+)\\s+ended/)[1].replaceAll(',', '')) > 1_000")
    try browser.perform("location.hash = '#/runs?text=nobody-says-this'")
    try browser.wait(until: "document.body.innerText.includes('No run is like that.')")
    let further = """
      performance.getEntriesByType('resource').some((e) => e.name.includes('text=') && e.name.includes('after='))
      """
    try browser.wait(until: "!\(further)")
    try browser.perform(
      "[...document.querySelectorAll('main button')].find((b) => b.textContent === 'Show more').click()")
    try browser.wait(until: further)
    #expect(browser.complaints.isEmpty, "\(browser.complaints)")
  }

  /// A link that lets a browser in.
  private func link(_ place: Place) throws -> String {
    try #require(try said(["dashboard"], place).first { $0.hasPrefix("http") })
  }

  /// The lines that a command printed.
  private func said(_ arguments: [String], _ place: Place) throws -> [String] {
    try HostProcess.run(arguments, in: place.path).output
  }

  private static let submit = "document.querySelector('#dialog form').requestSubmit()"

  private static func click(_ button: String, inRowOf job: String) -> String {
    """
    const row = [...document.querySelectorAll('tbody tr')].find((row) => row.querySelector('a').textContent === '\(job)');
    [...row.querySelectorAll('button')].find((button) => button.textContent === '\(button)').click();
    """
  }

  @Test("without a session a browser is told in words how to get in, and a program in JSON")
  func stranger() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let host = try place.host("--set", "http.listen=127.0.0.1:0")
    try host.awaitLine(containing: "moondial ")
    let link = try link(place)
    let port = try #require(
      link.split(separator: ":").compactMap { Int($0.prefix { $0.isNumber }) }.first { $0 > 1_000 })
    let words = try RawClient(port: port).request("GET", "/", headers: ["Accept: text/html,*/*"])
    #expect(words.status == 401 && words.body.contains("moondial dashboard") && words.body.hasPrefix("<!doctype html>"))
    let json = try RawClient(port: port).request("GET", "/", headers: ["Accept: */*"])
    #expect(json.status == 401 && json.body.hasPrefix("{"))
    #expect(try RawClient(port: port).request("GET", "/dashboard/dashboard.js").status == 401)
  }
}
