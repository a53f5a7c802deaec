import JobModel
import Testing

@Suite("Batches that are merged before they are written")
struct BatchTests {
  @Test("a whole schedule record replaces the earlier fires of its job, which would be applied after it")
  func recordsReplaceFires() {
    var batch = StoreBatch()
    batch.fires = [
      FireUpdate(job: "a", nextFire: t(20), lastFire: t(10), fireCount: 1),
      FireUpdate(job: "b", nextFire: t(20), lastFire: t(10), fireCount: 1),
    ]
    var later = StoreBatch()
    var record = ScheduleRecord(job: "a", trigger: "every 7s", registeredAt: t(0))
    record.nextFire = t(17)
    later.schedules = [record]
    batch.append(later)
    #expect(batch.fires.map(\.job) == ["b"])
    #expect(batch.schedules.map(\.nextFire) == [t(17)])
  }
}
