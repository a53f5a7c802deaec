import JobModel
import StoreSupport
import TestSupport
import Testing

@testable import PostgresStore

@Suite("No address of a store shows a password")
struct PublicAddressTests {
  @Test(
    "what is shown of an address",
    arguments: [
      ("postgres://ann:pw@db1:5432/jobs?sslmode=require", "postgres://ann@db1:5432/jobs?sslmode=require"),
      ("postgres://ann@/jobs?host=/run/postgresql&password=pw&a=b", "postgres://ann@/jobs?host=/run/postgresql"),
      ("postgres:///jobs?host=/tmp/a@b", "postgres:///jobs?host=/tmp/a@b"),
      ("postgres://ann:p@w@db1/jobs", "postgres://ann@db1/jobs"),
      ("postgres://ann:p/w@db1/jobs", "postgres://…@db1/jobs"),
      ("postgres://ann:p?w@db1/jobs", "postgres://…@db1/jobs"),
      ("postgres://ann:p?password=w@db1/jobs", "postgres://…"),
      ("postgres://ann@db1/jobs?password=p@w", "postgres://ann@db1/jobs"),
      ("postgres://ann:\u{301}pw@db1", "postgres://ann@db1"),
      ("postgres://db1,db2/jobs", "postgres://db1,db2/jobs"),
      ("postgres://", "postgres://"), ("postgres:ann:pw@db1", "postgres://"),
    ])
  func shown(address: String, text: String) { #expect(PublicAddress(StoreAddress(address)).text == text) }

  @Test(
    "10,000 addresses that somebody has written badly: neither the text nor what libpq says has any of the password")
  func random() {
    var random = SeededGenerator(20)
    for _ in 0..<10_000 {
      let (address, parts) = Self.address(&random)
      let target = PostgresTarget(StoreAddress(address))
      var said = [target.location]
      // Whatever host it names for libpq: no network is asked, and nobody listens there.
      do throws(StoreError) {
        _ = try PostgresConnection(target, setup: "", [("hostaddr", "127.0.0.253"), ("connect_timeout", "2")])
      } catch { said.append(error.message) }
      for part in parts {
        #expect(!said.contains { $0.contains(part) }, "\(address.debugDescription): \(said)")
      }
    }
  }

  /// - Returns: with the parts of its password.
  static func address(_ random: inout SeededGenerator) -> (text: String, parts: [String]) {
    let signs = [
      "/", "?", "@", "%", ":", "&", "=", "#", "%zz", "%2", "%00", "+", "\u{301}", "é", " ", "[", "?password=", "&x=",
    ]
    var parts: [String] = []
    var password = ""
    for number in 0...random.below(4) {
      parts.append("qz\(number)x\(random.below(1_000))w")
      password +=
        (random.chance(70) ? random.pick(signs) : "") + parts[number] + (random.chance(50) ? random.pick(signs) : "")
    }
    let place = random.pick(["", "/nowhere", "db.invalid", "db.invalid:5432", "%2Fnowhere", "[::1]", "a,b"])
    let path = random.pick([
      "", "/", "/jobs", "/jobs?sslmode=require", "/?host=/nowhere", "?host=/nowhere&connect_timeout=1",
    ])
    let isOption = random.chance(30)
    let login = isOption ? random.pick(["", "ann@"]) : random.pick(["ann", "", "ann.b"]) + ":" + password + "@"
    let option =
      isOption
      ? (path.contains("?") ? "&" : "?") + random.pick(["password=", "PASSWORD=", "sslpassword="]) + password : ""
    return (random.pick(["postgres://", "postgresql://"]) + login + place + path + option, parts)
  }
}
