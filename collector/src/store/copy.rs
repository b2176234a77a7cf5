pub fn copy_facts() {}
