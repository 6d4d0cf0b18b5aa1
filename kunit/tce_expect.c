// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the devices are expected to reach, see tce_fixture.h.
 */
#include "tce_fixture.h"

static struct iommu_table *table_of(struct tce_fixture *fx,
				    struct tce_mock_group *grp, int num)
{
	KUNIT_ASSERT_NOT_NULL(fx->test, grp->tg.tables[num]);
	return grp->tg.tables[num];
}

static enum dma_data_direction dir_of(u32 flags)
{
	switch (flags) {
	case TCE_R:
		return DMA_TO_DEVICE;
	case TCE_W:
		return DMA_FROM_DEVICE;
	default:
		return DMA_BIDIRECTIONAL;
	}
}

/**
 * tce_expect_mapped() - expect that the device reaches memory
 * @fx: the process
 * @grp: the group of the device
 * @num: number of the window
 * @ioba: first I/O address
 * @ua: address of the memory, which is stamped
 * @size: bytes
 * @flags: what the device may do
 *
 * Only the first difference is reported.
 */
void tce_expect_mapped(struct tce_fixture *fx, struct tce_mock_group *grp,
		       int num, u64 ioba, unsigned long ua, u64 size,
		       u32 flags)
{
	struct iommu_table *tbl = table_of(fx, grp, num);
	unsigned long shift = tbl->it_page_shift;
	u64 at;

	for (at = 0; at < size; at += SZ_4K) {
		unsigned long hpa;
		enum dma_data_direction dir =
			tce_mock_entry(tbl, (ioba + at) >> shift, &hpa);
		u64 found;

		if (dir != dir_of(flags)) {
			KUNIT_FAIL(fx->test, "%llx: the direction is %d, not %d",
				   ioba + at, dir, dir_of(flags));
			return;
		}
		hpa += (ioba + at) & ((1UL << shift) - 1);
		found = *(u64 *)__va(hpa);
		if (found != (TCE_STAMP | (ua + at))) {
			KUNIT_FAIL(fx->test, "%llx: the device finds %llx, not %llx",
				   ioba + at, found, TCE_STAMP | (ua + at));
			return;
		}
	}
}

/**
 * tce_expect_empty() - expect that the device reaches nothing
 * @fx: the process
 * @grp: the group of the device
 * @num: number of the window
 * @ioba: first I/O address
 * @size: bytes
 *
 * Only the first difference is reported.
 */
void tce_expect_empty(struct tce_fixture *fx, struct tce_mock_group *grp,
		      int num, u64 ioba, u64 size)
{
	struct iommu_table *tbl = table_of(fx, grp, num);
	unsigned long shift = tbl->it_page_shift;
	u64 at;

	for (at = 0; at < size; at += 1UL << shift) {
		unsigned long hpa, entry = (ioba + at) >> shift;

		if (tce_mock_entry(tbl, entry, &hpa) != DMA_NONE) {
			KUNIT_FAIL(fx->test, "%llx: the device reaches %lx",
				   ioba + at, hpa);
			return;
		}
		if (tce_mock_cell(tbl, entry)) {
			KUNIT_FAIL(fx->test, "%llx: the cell still has %llx",
				   ioba + at, tce_mock_cell(tbl, entry));
			return;
		}
	}
}

/**
 * tce_expect_kill() - expect that one kill was enough
 * @fx: the process
 * @grp: the group of the device
 * @num: number of the window
 * @kills: how many there were before
 * @ioba: first I/O address that it should cover
 * @size: bytes that it should cover
 */
void tce_expect_kill(struct tce_fixture *fx, struct tce_mock_group *grp,
		     int num, unsigned long kills, u64 ioba, u64 size)
{
	unsigned long shift = table_of(fx, grp, num)->it_page_shift;

	KUNIT_EXPECT_EQ(fx->test, fx->mock->kills - kills, 1);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->kill_first, ioba >> shift);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->kill_n, size >> shift);
}

/**
 * tce_expect_told() - expect that the tracepoint says why a call failed
 * @fx: the process
 * @refusals: how many it had told of before
 * @rc: what the call has returned; -EINTR says all by itself
 */
void tce_expect_told(struct tce_fixture *fx, unsigned int refusals, long rc)
{
	unsigned int nth = tce_quiet_begin();

	if (rc < 0 && rc != -EINTR)
		KUNIT_EXPECT_NE_MSG(fx->test, fx->mock->refusals, refusals,
				    "result %ld", rc);
	tce_quiet_end(nth);
}

/**
 * tce_expect_why() - expect a reason for the last refusal
 * @fx: the process
 * @reason: the check that failed
 */
void tce_expect_why(struct tce_fixture *fx, const char *reason)
{
	KUNIT_EXPECT_STREQ(fx->test, fx->mock->refused.reason ?: "none", reason);
}

/**
 * tce_met() - has a check failed in this case?
 * @mock: the platform
 * @reason: the check
 *
 * Return: true if it has.
 */
bool tce_met(const struct tce_mock *mock, const char *reason)
{
	int i;

	for (i = 0; i < TCE_REASONS_KEPT && mock->met[i]; i++)
		if (!strcmp(mock->met[i], reason))
			return true;
	return false;
}
