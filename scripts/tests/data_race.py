# SPDX-License-Identifier: GPL-2.0-only
"""A report of KCSAN, of a race within the rest of the kernel."""
RACE = """[    2.0] ==================================================================
[    2.0] BUG: KCSAN: data-race in rcu_a / rcu_b
[    2.0]
[    2.0] write (marked) to 0xc0000000bff26415 of 1 bytes by task 14 on cpu 0:
[    2.0]  rcu_b+0x148/0x8f4
[    2.0]  rcu_gp_kthread+0x210/0x244
[    2.0]
[    2.0] read to 0xc0000000bff26415 of 1 bytes by task 1863 on cpu 1:
[    2.0]  rcu_a+0x54/0x178
[    2.0]  __cond_resched+0x2c/0x80
[    2.0]  tce_vfio_ioctl+0x10bc/0x1424 [vfio_iommu_spapr_tce_kunit]
[    2.0] ==================================================================
"""
