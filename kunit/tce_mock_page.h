/* SPDX-License-Identifier: GPL-2.0-only */
/* The record of pages, see tce_mock_page.c. */
#ifndef TCE_KUNIT_MOCK_PAGE_H
#define TCE_KUNIT_MOCK_PAGE_H

#include "tce_mock.h"

struct tce_mock_page *mock_page_find(struct tce_mock *mock, unsigned long pfn);
struct tce_mock_page *mock_page_count(struct tce_mock *mock, unsigned long pfn,
				      int pins, int refs);

void tce_mock_whole(struct tce_mock *mock, unsigned long pfn);
void tce_mock_pinned(struct tce_mock *mock, unsigned long pfn);
void tce_mock_unpinned(struct tce_mock *mock, unsigned long pfn, bool dirty);
unsigned long tce_mock_pins(struct tce_mock *mock);

#endif /* TCE_KUNIT_MOCK_PAGE_H */
