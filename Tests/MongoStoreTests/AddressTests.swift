import JobModel
import MongoFixtures
import TestSupport
import Testing

@testable import MongoStore

@Suite("Addresses of MongoDB stores", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoAddressTests {
  @Test(
    "10,000 addresses that somebody has written badly: neither the text nor what libmongoc says has any of the password"
  )
  func addresses() {
    var random = SeededGenerator(19)
    for _ in 0..<10_000 {
      let signs = ["/", "?", "@", "%", ":", "&", "=", "#", "%zz", "%2", "%00", "\u{301}", "é", "?password=", "&x="]
      var parts: [String] = []
      var password = ""
      for number in 0...random.below(4) {
        parts.append("qz\(number)x\(random.below(1_000))w")
        password += (random.chance(70) ? random.pick(signs) : "") + parts[number]
        if random.chance(50) { password += random.pick(signs) }
      }
      let place = random.pick(["", "db.invalid", "db.invalid:27017", "%2Fnowhere.sock", "[::1]", "a,b"])
      let path = random.pick(["", "/", "/jobs", "/jobs?tls=true", "/?replicaSet=a&x=b", "?w=1"])
      let address = "mongodb://" + random.pick(["ann", "", "a.b"]) + ":\(password)@" + place + path
      let failure = MongoFailure(address)
      var said = [failure.location]
      // Makes a pool, and asks no server.
      do throws(StoreError) { try MongoServer(address, failure: failure).close() } catch { said.append(error.message) }
      for part in parts { #expect(!said.contains { $0.contains(part) }, "\(address.debugDescription): \(said)") }
    }
  }

  @Test("no server, no database, no user: one sentence, without the password")
  func unreachable() throws {
    do {
      _ = try MongoStore("mongodb://ann:secret@%2Fnowhere%2Fm.sock/jobs?serverSelectionTimeoutMS=200")
      Issue.record("a store without a server")
    } catch {
      #expect(error.message.contains("mongodb://%2Fnowhere%2Fm.sock/jobs: the server does not answer"), "\(error)")
      #expect(!error.message.contains("secret"))
    }
    do {
      _ = try MongoStore("mongodb://ann:se%cret@host:port/jobs")
      Issue.record("a store without an address")
    } catch { #expect(error.code == .unsupported && !error.message.contains("cret"), "\(error)") }
  }
}
