import Basics
import JobModel
import StoreSupport
import Testing

@Suite("What a host reckons of its lease")
struct HeldLeaseTests {
  @Test("its watchman wakes when the doubt begins, and in doubt no more often than before")
  func naps() {
    let length: Int64 = 15_000_000_000
    #expect(HeldLease.nap(length: length, untilDoubt: 10_000_000_000, isDoubtful: false) == 2_500_000_000)
    #expect(HeldLease.nap(length: length, untilDoubt: 7, isDoubtful: false) == 1_000_000)
    for late in [0, -1, -3_600_000_000_000] as [Int64] {
      #expect(HeldLease.nap(length: length, untilDoubt: late, isDoubtful: true) == 2_500_000_000)
    }
  }

  @Test("doubt, a renewal after all, and the loss are told once each, in order")
  func changes() {
    let lease = HeldLease(length: 60_000_000_000, sentAt: HeldLease.now - 59_000_000_000)
    var told: [LeaseChange] = []
    lease.watch("it") { change in
      told.append(change)
      switch change {
      case .doubtful: lease.renewed(sentAt: HeldLease.now)
      case .regained: lease.lose("another one")
      case .lost: break
      }
    }
    #expect(told.count == 3 && told[1...] == [.regained, .lost("another one")])
    #expect(lease.isOver && !lease.isSure)
  }
}
